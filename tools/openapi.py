"""Write the API contract that the gateway serves: `python -m tools.openapi`."""

import json
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "openapi.yaml"
SERVED = ROOT / "functions" / "status" / "openapi.json"


def served() -> str:
    """Return `openapi.yaml` as the JSON text of `GET /openapi.json`."""
    document = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    SERVED.write_text(served(), encoding="utf-8")
