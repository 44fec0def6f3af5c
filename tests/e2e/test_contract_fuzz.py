"""schemathesis against the running stack: no 5xx, and no answer that openapi.yaml does not list."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

from testing.deployed import Api
from tools.openapi import contract


def test_every_answer_is_in_the_contract(api: Api, tmp_path: Path) -> None:
    described = tmp_path / "openapi.json"
    described.write_text(json.dumps(contract()))
    seed = str(secrets.randbelow(2**32))
    print(f"seed {seed}")
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"),
            "run",
            str(described),
            *("--url", api.stack.facts["url"]),
            *("--header", f"Authorization: Bearer {api.stack.facts['admin_key']}"),
            *("--max-examples", "15"),
            *("--phases", "examples,coverage,fuzzing"),
            *(
                "--checks",
                "not_a_server_error,status_code_conformance,content_type_conformance,"
                "response_headers_conformance,response_schema_conformance",
            ),
            *("--workers", "4"),
            *("--request-timeout", "60"),
            *("--seed", seed),
            "--no-color",
        ],
        cwd=tmp_path,
        env=os.environ | {"HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"seed {seed}\n" + done.stdout[-12_000:] + done.stderr[-2_000:]
