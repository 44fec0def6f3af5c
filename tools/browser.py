"""The browser in which the console is tried: Chromium, as the system has it.

`python -m tools.browser` installs it from Debian where the user may; else it says what to do.
"""

import os
import platform
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
PACKAGES = ("chromium", "fonts-liberation")
MISSING = "Chromium is needed to try the console: as root, `apt-get install chromium` installs it"


def chromium() -> str | None:
    """Return where Chromium or Chrome is; None where it is not."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def main() -> int:
    """Install it where it is missing; return 0 also where that can't be: other tests need none."""
    if chromium() is None and os.geteuid() == 0 and _is_debian():
        print("installing Chromium from Debian", flush=True)
        _install()
    if chromium() is None:
        print(f"{MISSING}; the console's tests fail without it", file=sys.stderr)
    return 0


def _install() -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (
        ("update", "-qq"),
        ("install", "-y", "-qq", "--no-install-recommends", *PACKAGES),
    ):
        command = ["apt-get", *arguments]
        subprocess.run(  # noqa: S603 - fixed words
            command, env=environment, check=False, stdout=subprocess.DEVNULL
        )


def _is_debian() -> bool:
    try:
        return platform.freedesktop_os_release().get("ID") == "debian"
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
