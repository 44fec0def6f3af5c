"""Lint the template for all of AWS's regions: `python -m tools.regions`.

cfn-lint takes a second for each region. Regions that describe all of the template's resource types
alike are one kind; the first of each kind is linted for the others.
"""

import sys

from cfnlint.api import lint
from cfnlint.helpers import REGIONS
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from testing.paths import ROOT
from testing.transformed import transformed


def kinds() -> list[list[str]]:
    """Return the regions by kind, each kind and the list in order."""
    types = sorted({one["Type"] for one in transformed()["Resources"].values()})
    described: dict[str, list[int | None]] = {region: [] for region in sorted(REGIONS)}
    for kind in types:
        groups = PROVIDER_SCHEMA_MANAGER.get_resource_schemas_by_regions(kind, list(described))
        group_of = {region: nth for nth, (regions, _) in enumerate(groups) for region in regions}
        for region, seen in described.items():
            seen.append(group_of.get(region))
    found: dict[str, list[str]] = {}
    for region, seen in described.items():
        found.setdefault(str(seen), []).append(region)
    return sorted(found.values())


def main() -> int:
    """Print what cfn-lint finds; the exit status."""
    regions = kinds()
    found = lint((ROOT / "template.yaml").read_text(), regions=[one[0] for one in regions])
    for one in found:
        print(f"template.yaml:{one.linenumber}: {one.rule.id} {one.message}", file=sys.stderr)
    print(f"{sum(map(len, regions))} regions of {len(regions)} kinds: {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
