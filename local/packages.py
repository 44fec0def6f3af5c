"""The layers' packages, kept here, so that only the first build needs a network."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from local.processes import StackError

LAYERS = ("gateway", "cognito")
# As the layers' Makefiles name them, a processor each; pip then takes older forms of the names too.
PLATFORMS = tuple(
    (f"manylinux_2_28_{processor}", f"manylinux2014_{processor}")
    for processor in ("x86_64", "aarch64")
)


def kept_packages(layers: Path, cache: Path) -> Mapping[str, str]:
    """Keep the packages of all layers in `cache`; return the settings with which pip finds them.

    Raise StackError when they can't be loaded.
    """
    needed = {layer: layers / layer / "requirements.txt" for layer in LAYERS}
    written = "".join(path.read_text() for path in needed.values())
    kept = cache / "packages" / hashlib.sha256(written.encode()).hexdigest()[:16]
    if not kept.exists():
        shutil.rmtree(kept.parent, ignore_errors=True)
        fresh = kept.with_name("fresh")
        for requirements in needed.values():
            for platforms in PLATFORMS:
                _load(requirements, platforms, fresh)
        fresh.rename(kept)
    # A URL, since pip splits paths at spaces.
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": kept.absolute().as_uri()}


def _load(requirements: Path, platforms: tuple[str, ...], folder: Path) -> None:
    options = [option for platform in platforms for option in ("--platform", platform)]
    done = subprocess.run(  # noqa: S603 - pip, with files of our own
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--require-hashes", "--only-binary=:all:", "--implementation", "cp"),
            *("--python-version", "3.13", *options),
            *("-r", str(requirements), "-d", str(folder)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StackError(
            "the layers' packages can't be loaded; the first time needs a package index:\n"
            + done.stderr.strip()[-800:]
        )
