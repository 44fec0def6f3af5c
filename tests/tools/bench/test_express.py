"""The model of AWS in which codes are measured beside a campaign."""

import json
import subprocess
import sys
from typing import Any

from testing.paths import ROOT

PROGRAM = """\
import json, os
import bench
from testing.aws import ENVIRONMENT
os.environ |= ENVIRONMENT | {"DISPATCH_WORKERS": "5", "AWS_ENDPOINT_URL": "http://aws.example.com"}
from bench import express
model = express.Model("rajasms", 1_500)
began = model.clock.at
waits = model.run()
print(json.dumps({"waits": waits, "seconds": model.clock.at - began, "sent": model.sent}))
"""


def test_a_modelled_campaign_keeps_its_rate_and_lets_codes_go_first() -> None:
    said = subprocess.check_output([sys.executable, "-c", PROGRAM], cwd=ROOT, text=True)
    told: dict[str, Any] = json.loads(said.splitlines()[-1])
    assert told["sent"] == 1_500
    assert len(told["waits"]) == 3
    assert 0 < told["waits"][0] <= told["waits"][-1] < 5
    assert 28 <= told["seconds"] <= 36  # simulated: 1,500 at 50 a second, the last turn apart
