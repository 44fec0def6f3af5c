"""Print what parliament finds in a folder's policies, and return 1 if it finds anything.

`.policies/bin/python -P tools/parliament_findings.py FOLDER`. Parliament's own command does the
same, and writes a log to one file in /tmp, which only the first user of a machine may.
"""

import sys
from pathlib import Path

# It lies in .policies, apart from what checks the types.
import parliament  # type: ignore[import-not-found]  # of .policies
from parliament.cli import (  # type: ignore[import-not-found]  # of .policies
    is_finding_filtered,
    print_finding,
)


def main(folder: str) -> int:
    """Look at each policy."""
    parliament.override_config(None)
    found = []
    for path in sorted(Path(folder).rglob("*.json")):
        policy = parliament.analyze_policy_string(
            path.read_text(), str(path), config=parliament.config
        )
        found += [parliament.enhance_finding(one) for one in policy.findings]
    shown = [one for one in found if not is_finding_filtered(one)]
    for one in shown:
        print_finding(one)
    return 1 if shown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
