"""Write the API contract that the gateway serves: `python -m tools.openapi`.

It is one document: what openapi.yaml refers to in another file is put in its place.
"""

import json
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "openapi.yaml"
SERVED = ROOT / "functions" / "status" / "openapi.json"


def contract() -> dict[str, Any]:
    """Return `openapi.yaml` with what it refers to in other files."""
    document: dict[str, Any] = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        if not schema.get("$ref", "#").startswith("#"):
            other = json.loads((ROOT / schema["$ref"]).read_text(encoding="utf-8"))
            own = {key: value for key, value in schema.items() if key != "$ref"}
            schemas[name] = own | {"type": other["type"], "enum": other["enum"]}
    return document


def served() -> str:
    """Return the contract as the JSON text of `GET /openapi.json`."""
    return json.dumps(contract(), ensure_ascii=False, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    SERVED.write_text(served(), encoding="utf-8")
