"""What botocore would import and `smsgw` does not use is left out, unless a profile needs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOOK = (
    "from smsgw import unused_packages; unused_packages.leave_out(); import ssl, sys;"
    " from botocore import compat, httpsession; assert httpsession.SSLContext is ssl.SSLContext;"
    " print(compat.HAS_CRT, bool(sys.modules.get('OpenSSL')))"
)


def looked(config: Path) -> str:
    """What a process of `smsgw` has, with these profiles."""
    # The bench, which another test may have imported, measures without awscrt.
    inherited = {name: one for name, one in os.environ.items() if name != "BOTO_DISABLE_CRT"}
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        env={**inherited, "AWS_CONFIG_FILE": str(config)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_neither_is_imported(tmp_path: Path) -> None:
    assert looked(tmp_path / "none") == "False False"


def test_who_logs_in_by_aws_login_has_what_that_needs(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[profile operations]\nlogin_session = arn:aws:iam::123456789012:user/ops\n")
    assert looked(config) == "True False"


@pytest.mark.parametrize("name", ["OpenSSL", "awscrt"])
def test_who_has_imported_botocore_keeps_what_is_there(name: str) -> None:
    import botocore.httpsession  # noqa: F401 - as a test of a command has

    from smsgw import unused_packages

    before = sys.modules.get(name)
    unused_packages.leave_out()
    assert sys.modules.get(name) is before
