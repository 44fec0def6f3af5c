"""Who waits for the environment is told how far it is, and why it failed."""

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from testing.paths import ROOT
from tools.environment import main, progress


def test_the_packages_found_are_counted() -> None:
    assert progress("Collecting boto3==1.0 (from -r x)", 3, 9) == "3 of up to 9 packages found"
    assert progress("  Using cached boto3.whl", 3, 9) is None


def test_a_failure_shows_what_pip_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("no such thing\n")
    assert main(str(requirements)) == 1
    assert "no such thing" in capfd.readouterr().err


@pytest.mark.parametrize("keeps_nothing", [False, True])
def test_what_may_never_be_imported_is_compiled_only_where_python_would_keep_nothing(
    keeps_nothing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", keeps_nothing)
    wheel = tmp_path / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("toy.py", "")
        file.writestr(
            "toy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n"
        )
        file.writestr(
            "toy-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        file.writestr("toy-1.0.dist-info/RECORD", "toy.py,,\n")
    requirements = tmp_path / "requirements.txt"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    requirements.write_text(f"toy==1.0 --hash=sha256:{digest}\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "installed"))
    assert main(str(requirements)) == 0
    assert (tmp_path / "installed" / "toy.py").exists()
    assert bool(list((tmp_path / "installed").rglob("*.pyc"))) is keeps_nothing


@pytest.mark.parametrize("script", ["checkov", "parliament"])
def test_no_target_calls_a_script_that_can_be_at_no_path_with_a_space(script: str) -> None:
    """Or, as parliament's, one that writes to a file in /tmp which another user may own."""
    assert f"/bin/{script}" not in (ROOT / "Makefile").read_text()
