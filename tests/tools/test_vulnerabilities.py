"""What the check for known vulnerabilities makes of pip-audit's report."""

import json
from pathlib import Path
from typing import Any

import pytest

from tools.vulnerabilities import main, verdict

SAFE = {"name": "urllib3", "version": "2.8.0", "vulns": []}
OPEN = {"name": "six", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
UNMENDED = {"name": "six", "version": "1", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]}
UNKNOWN = {"name": "boto3", "skip_reason": "boto3 could not be audited"}


@pytest.mark.parametrize(
    ("packages", "said", "failed"),
    [
        ([SAFE], "none known in 1 packages", False),
        ([SAFE, OPEN], "six 1: PYSEC-1, mended in 1.1", True),
        ([UNMENDED], "six 1: PYSEC-2, mended in no version", True),
        ([SAFE, UNKNOWN], "boto3 could not be audited", True),
        ([UNKNOWN, UNKNOWN], "not checked", False),
        ([], "not checked", False),
    ],
)
def test_a_known_vulnerability_fails_and_so_does_half_a_check(
    packages: list[dict[str, Any]], said: str, failed: bool
) -> None:
    lines, fails = verdict(packages)
    assert said in "\n".join(lines)
    assert fails == failed


@pytest.mark.parametrize("packages", [[], [UNKNOWN]])
def test_a_strict_check_fails_when_nothing_is_known(packages: list[dict[str, Any]]) -> None:
    assert verdict(packages, strict=True)[1]


def test_a_report_is_read_from_the_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\necho '{json.dumps({'dependencies': [OPEN]})}'\n")
    program.chmod(0o755)
    assert main([str(program)]) == 1
    assert capsys.readouterr().err == "six 1: PYSEC-1, mended in 1.1\n"


def test_an_index_out_of_reach_is_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "pip-audit"
    program.write_text("#!/bin/sh\necho 'no connection' >&2\nexit 1\n")
    program.chmod(0o755)
    assert main([str(program)]) == 0
    shown = capsys.readouterr()
    assert "not checked" in shown.out
    assert "no connection" in shown.err
    assert main([str(program), "--strict"]) == 1
