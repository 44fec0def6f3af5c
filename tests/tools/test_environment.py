"""Who waits for the environment is told how far it is, and why it failed."""

from pathlib import Path

import pytest

from tools.environment import main, progress


def test_the_packages_found_are_counted() -> None:
    assert progress("Collecting boto3==1.0 (from -r x)", 3, 9) == "3 of up to 9 packages found"
    assert progress("  Using cached boto3.whl", 3, 9) is None


def test_a_failure_shows_what_pip_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("no such thing\n")
    assert main(str(requirements)) == 1
    assert "no such thing" in capfd.readouterr().err
