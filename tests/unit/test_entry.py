"""What Lambda starts, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

from testing.aws import ENVIRONMENT

ROOT = Path(__file__).parent.parent.parent
PATHS = (ROOT / "functions" / "status", ROOT / "layers" / "gateway")
START = """
import gc, json
def collections(): return sum(one["collections"] for one in gc.get_stats())
gc.collect()  # or one is due before the entry is read
before = collections()
from sms_gateway import entry
during, frozen, collects = collections() - before, gc.get_freeze_count(), gc.isenabled()
import app
print(json.dumps([entry.handler.__wrapped__ is app.handler, during, frozen > 10_000, collects]))
"""


def test_a_start_is_not_looked_through_for_garbage_and_what_comes_after_it_is() -> None:
    done = subprocess.run(
        [sys.executable, "-c", START],
        env=os.environ | ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(map(str, PATHS))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [True, 0, True, True]
