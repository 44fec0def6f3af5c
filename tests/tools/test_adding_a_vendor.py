"""docs/adding-a-vendor.md, followed for a toy vendor in a copy of the tree."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testing.paths import ROOT

from .toy_vendor import cases

TOY = Path(__file__).parent / "toy_vendor"
GUIDE = (ROOT / "docs" / "adding-a-vendor.md").read_text()
COPIED = (
    *("bench", "docs", "events", "functions", "layers", "local", "smsgw", "testing", "tests"),
    "tools",
)
WRITTEN = ("template.yaml", "events/schemas/vendor.json", "docs/vendors/README.md")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, with all that the guide says to write by hand."""
    made = tmp_path_factory.mktemp("tree")
    for name in COPIED:
        shutil.copytree(ROOT / name, made / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, made / path.name)
    adapter = made / "layers/gateway/sms_gateway/vendors/acme"
    folder = made / "tests/vendors/acme"
    for one in (adapter, folder):
        one.mkdir()
    (adapter / "__init__.py").touch()
    shutil.copy(TOY / "adapter.py", adapter)
    cases.write(folder)
    shutil.copy(TOY / "conformance.toml", folder)
    shutil.copy(TOY / "settings.py", folder / "test_acme.py")
    shutil.copy(TOY / "simulator.py", made / "local/simulators/acme.py")
    shutil.copy(TOY / "page.md", made / "docs/vendors/acme.md")
    return made


def run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the copy."""
    path = os.pathsep.join(str(tree / one) for one in ("layers/gateway", ".", "tests"))
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_vendor_is_one_registry_line_beside_its_own_files(tree: Path) -> None:
    assert run(tree, "-m", "tools.generate", "--check").returncode == 0  # before the line: green
    (line,) = re.findall(r'^    ("acme": Vendor\(.+\),)$', GUIDE, re.MULTILINE)
    registry = tree / "layers/gateway/sms_gateway/vendors/registry.py"
    registry.write_text(registry.read_text().replace("),\n}", f"),\n    {line}\n}}", 1))
    for module in ("tools.generate", "tools.vendor_pages"):  # make generate
        done = run(tree, "-m", module)
        assert done.returncode == 0, done.stdout + done.stderr
    assert all("acme" in (tree / name).read_text().lower() for name in WRITTEN)
    done = run(
        tree,
        *(
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-k",
            "acme or stale or enumeration or idle",
        ),
        *("tests/vendors", "tests/simulators", "tests/unit/test_generate.py"),
        *("tests/tools/test_vendor_pages.py", "tests/tools/bench/test_pricing.py"),
        "tests/unit/messages/test_bodies.py",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 60
