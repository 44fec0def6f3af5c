"""The API's contract: all of it, and the small one that API Gateway serves.

Both are one document: what openapi.yaml refers to in another file is put in its place. `python -m
tools.openapi` prints the whole as JSON; `python -m tools.generate` writes the small one into the
template (ADR 0037).
"""

import json
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "openapi.yaml"
VENDORS_OWN = "Callbacks"  # the tag of what vendors call
PROSE = ("description", "summary", "example", "examples", "externalDocs")
NAMED = ("properties", "schemas", "parameters", "responses", "headers", "mapping")
MAX_TEMPLATE_BYTES = 300 * 1024  # of a mapping template: API Gateway's quotas for REST APIs


def contract() -> dict[str, Any]:
    """Return `openapi.yaml` with what it refers to in other files."""
    document: dict[str, Any] = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        if not schema.get("$ref", "#").startswith("#"):
            other = json.loads((ROOT / schema["$ref"]).read_text(encoding="utf-8"))
            own = {key: value for key, value in schema.items() if key != "$ref"}
            said = {key: one for key, one in other.items() if key not in ("$schema", "title")}
            schemas[name] = said | own
    return document


def small_contract() -> dict[str, Any]:
    """Return the contract without its prose and examples, as a client's generator needs it.

    What vendors call is left out, with the components that only it refers to.
    """
    whole = contract()
    whole["tags"] = [tag for tag in whole["tags"] if tag["name"] != VENDORS_OWN]
    whole["paths"] = {
        path: item
        for path, item in whole["paths"].items()
        if not any(VENDORS_OWN in one.get("tags", ()) for one in item.values() if "tags" in one)
    }
    _drop_unused(whole)
    del whole["x-problems"]
    small: dict[str, Any] = _without_prose(whole)
    small["info"]["description"] = "Without prose and examples; the release has all of it."
    return small


def problem_slugs() -> list[str]:
    """Return the last part of each `/problems/…`."""
    return list(contract()["x-problems"])


def problems_page() -> str:
    """Return the page of all types of problems, which is a template of VTL too."""
    rows = "\n".join(
        f'<dt id="{slug}"><code>/problems/{slug}</code></dt><dd>{escape(meaning, quote=False)}</dd>'
        for slug, meaning in contract()["x-problems"].items()
    )
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Problems</title>
<h1>Problems</h1>
<p>What the type of a problem means, and what to do.</p>
<dl>
{rows}
</dl>
</html>"""


def _drop_unused(document: dict[str, Any]) -> None:
    while True:
        text = json.dumps(document)
        unused = [
            (named, name)
            for kind, named in document["components"].items()
            for name in named
            if kind != "securitySchemes" and f'"#/components/{kind}/{name}"' not in text
        ]
        if not unused:
            return
        for named, name in unused:
            del named[name]


def _without_prose(node: Any, parent: str = "") -> Any:
    if isinstance(node, list):
        return [_without_prose(one) for one in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _without_prose(value, key)
        for key, value in node.items()
        if parent in NAMED or key not in PROSE
    }
    if parent == "responses":  # OpenAPI demands it there
        for name, answer in kept.items():
            if "$ref" not in answer:
                answer["description"] = node[name]["description"].strip()
    return kept


def served() -> str:
    """Return the text of `GET /openapi.json`, a path or a component a line.

    It is the same text as a template of VTL: `$` and `#` are written as JSON writes any character.
    """
    document = small_contract()
    paths, components = document.pop("paths"), document.pop("components")
    parts = [f"{_compact(document)[:-1]},", '"paths":{', *_lines(paths), '},"components":{']
    last = list(components)[-1]
    for kind, named in components.items():
        parts += [f"{_compact(kind)}:{{", *_lines(named), "}" if kind == last else "},"]
    text = "\n".join([*parts, "}}"])
    return text.replace("$", "\\u0024").replace("#", "\\u0023")


def _lines(named: dict[str, Any]) -> list[str]:
    lines = [f"{_compact(name)}:{_compact(value)}" for name, value in named.items()]
    return [f"{line}," for line in lines[:-1]] + lines[-1:]


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def methods() -> dict[str, list[str]]:
    """Return the methods of each path, in capitals."""
    return {
        path: [method.upper() for method in ("get", "post", "delete") if method in item]
        for path, item in contract()["paths"].items()
    }


def entity_tag() -> str:
    """Return what names this version of `served`."""
    return sha256(served().encode()).hexdigest()[:16]


if __name__ == "__main__":
    print(json.dumps(contract(), ensure_ascii=False))
