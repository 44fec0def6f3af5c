"""Check what is shipped for known vulnerabilities: `python -m tools.vulnerabilities PIP_AUDIT`.

pip-audit asks the package index, which tells of vulnerabilities release by release. A mirror may
not: then nothing is known, which is said and is no failure, except with --strict.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from testing.paths import ROOT

LAYERS = ("layers/gateway/requirements.txt", "layers/cognito/requirements.txt")
SECONDS = 60  # for one answer of the index, and ten times as much for all of them


def main(arguments: Sequence[str] | None = None) -> int:
    """Run pip-audit on the layers' pinned packages; the exit status."""
    parser = argparse.ArgumentParser(description="Check for known vulnerabilities.")
    parser.add_argument("pip_audit", help="the program")
    parser.add_argument("--strict", action="store_true", help="fail when nothing is known")
    options = parser.parse_args(arguments)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for layer in LAYERS:
        for one in _audit(options.pip_audit, layer):
            found[one["name"], str(one.get("version") or one.get("skip_reason"))] = one
    lines, failed = verdict([found[key] for key in sorted(found)], strict=options.strict)
    print("\n".join(lines), file=sys.stderr if failed else sys.stdout)
    return 1 if failed else 0


def verdict(
    packages: Sequence[dict[str, Any]], *, strict: bool = False
) -> tuple[Sequence[str], bool]:
    """Return what is to be said of pip-audit's `dependencies`, and whether it is a failure.

    An index that knows some packages knows all: a single unknown one is a failure.
    """
    unknown = [one["skip_reason"] for one in packages if "skip_reason" in one]
    if len(unknown) == len(packages):
        said = "vulnerabilities: not checked, this package index tells of none; see SECURITY.md"
        return [said], strict
    lines = [
        f"{one['name']} {one['version']}: {each['id']}, mended in "
        f"{', '.join(each['fix_versions']) or 'no version'}"
        for one in packages
        for each in one.get("vulns", [])
    ]
    lines += unknown
    if lines:
        return lines, True
    return [f"vulnerabilities: none known in {len(packages)} packages"], False


def _audit(program: str, requirements: str) -> list[dict[str, Any]]:
    """Return what pip-audit knows of each package, in its own form."""
    done = subprocess.run(  # noqa: S603 - the pinned program
        [
            program,
            *("--requirement", str(ROOT / requirements), "--require-hashes", "--disable-pip"),
            *("--format", "json", "--progress-spinner", "off", "--timeout", str(SECONDS)),
        ],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=10 * SECONDS,
        check=False,
    )
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        print(done.stderr[-1000:], file=sys.stderr)
        return [{"name": requirements, "skip_reason": f"{requirements} could not be checked"}]
    return packages


if __name__ == "__main__":
    sys.exit(main())
