"""Write numbering_plans.json, by which sms/phone_numbers.py knows numbers that need no parsing.

`python -m tools.numbering_plans` derives it from `phonenumbers`; run it after each upgrade.
"""

import json
from pathlib import Path
from typing import Any

import phonenumbers

from sms_gateway.sms.phone_numbers import PLANS


def plans() -> dict[str, Any]:
    """Return the possible lengths, the national prefixes and the regions of each country code."""
    found: dict[str, Any] = {}
    for code in sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE):
        region = phonenumbers.region_code_for_country_code(code)
        plan: Any = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, region)
        lengths = sorted(plan.general_desc.possible_length)
        regions = [one for one in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code] if one.isalpha()]
        found[f"+{code}"] = [lengths, plan.national_prefix_for_parsing or "", regions]
    return found


def render() -> str:
    """Return the file: a line a country code."""
    lines = (f"{json.dumps(code)}: {json.dumps(plan)}" for code, plan in plans().items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    Path(PLANS).write_text(render())
