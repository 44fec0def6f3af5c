"""Packages that botocore imports where they lie, and that `smsgw` does not use.

They lie beside it because the SAM CLI does: pyOpenSSL, of which botocore takes nothing but Python's
own SSLContext, and awscrt, which only the credentials of `aws login` need.
"""

import os
import sys
from pathlib import Path

LOGIN = "login_session"  # the setting of a profile that `aws login` made


def leave_out() -> None:
    """Let botocore find none of them, in a process that has not imported it yet."""
    if "botocore" in sys.modules:
        return
    sys.modules.setdefault("OpenSSL", None)  # type: ignore[arg-type]  # an import of it fails
    if not _logs_in():
        sys.modules.setdefault("awscrt", None)  # type: ignore[arg-type]  # an import of it fails


def _logs_in() -> bool:
    """Return whether some profile's credentials are those of `aws login`."""
    file = Path(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser()
    try:
        return LOGIN in file.read_text(errors="replace")
    except OSError:
        return False
