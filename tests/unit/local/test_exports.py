"""The lines that `make run` gives a shell."""

import subprocess
from pathlib import Path

from local.exports import exports
from local.stack import LocalStack


def test_a_shell_learns_url_keys_simulators_and_the_emulator(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path, 4501, 8801)
    stack.facts = {"url": "http://127.0.0.1:4501/v1", "key": "a key's", "admin_key": "all"}
    (tmp_path / "env").write_text(exports(stack))
    shown = subprocess.run(
        ["/bin/sh", "-c", ". ./env && env"],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert {
        "URL=http://127.0.0.1:4501/v1",
        "KEY=a key's",
        "ADMIN_KEY=all",
        "SIMULATORS=http://127.0.0.1:8801",
        "AWS_ENDPOINT_URL=http://127.0.0.1:4501",
        "AWS_ACCESS_KEY_ID=test",
        "AWS_SECRET_ACCESS_KEY=test",
        "AWS_DEFAULT_REGION=us-east-1",
    } <= set(shown)
