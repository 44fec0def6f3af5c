"""The contract is a valid OpenAPI document, its examples are true, and what is served is it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import yaml
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from sms_gateway.core.sandbox import SANDBOX
from sms_gateway.core.status import Status
from sms_gateway.vendors.adapter import Capabilities
from sms_gateway.vendors.registry import VENDORS
from tools.openapi import (
    MAX_TEMPLATE_BYTES,
    ROOT,
    SOURCE,
    contract,
    problems_page,
    served,
    small_contract,
)

DOCUMENT = contract()
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
UNREAL = {"+8801000000001", "+911000000001", "+628000000001", "+447700900001"}


def nodes(node: Any, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the document with its JSON pointer; examples are values, not objects."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            if key not in ("example", "examples"):
                yield from nodes(value, f"{path}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from nodes(value, f"{path}/{index}")


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """What a node refers to, or itself. Raises KeyError for a reference that leads nowhere."""
    if "$ref" not in node:
        return node
    target: Any = DOCUMENT
    for key in node["$ref"].removeprefix("#/").split("/"):
        target = target[key]
    return resolved(target)


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            if method in ("get", "post", "delete"):
                yield f"{method.upper()} {path}", operation


def examples() -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Every example with its schema: of bodies, of parameters and of schemas themselves."""
    for path, node in nodes(DOCUMENT):
        if "schema" in node:
            if "example" in node:
                yield f"{path}/example", node["schema"], node["example"]
            for name, each in node.get("examples", {}).items():
                yield f"{path}/examples/{name}", node["schema"], each["value"]
        elif isinstance(node.get("examples"), list):
            for index, value in enumerate(node["examples"]):
                yield f"{path}/examples/{index}", node, value


def properties(schema: dict[str, Any]) -> set[str]:
    """The names of a schema's properties, with those of what it is made of."""
    schema = resolved(schema)
    parts = [properties(part) for part in schema.get("allOf", [])]
    return set(schema.get("properties", {})).union(*parts)


def repeated_keys(node: yaml.Node | None) -> Iterator[str]:
    """Keys that a mapping has twice; a loader of YAML would silently take the last one."""
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        yield from {key for key in keys if keys.count(key) > 1}
        for _, value in node.value:
            yield from repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from repeated_keys(value)


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        {**schema, "components": DOCUMENT["components"]}, validate_formats=True
    )


def test_what_is_served_is_the_contract() -> None:
    small = json.loads(served())
    assert small == small_contract()
    OPENAPI_31_VALIDATOR.validate(small)
    assert {
        path: {method: one["operationId"] for method, one in item.items() if "operationId" in one}
        for path, item in small["paths"].items()
    } == {
        path: {method: one["operationId"] for method, one in item.items() if "operationId" in one}
        for path, item in DOCUMENT["paths"].items()
        if not path.startswith("/callbacks/")
    }
    assert small["components"].keys() == DOCUMENT["components"].keys()


def test_what_vendors_call_is_not_served() -> None:
    small = served()
    assert "/callbacks/{vendor}/{token}" in DOCUMENT["paths"]
    assert "/callbacks" not in small
    assert "Callbacks" not in small
    document = json.loads(small)
    for kind in ("schemas", "responses", "parameters", "headers"):
        for name in document["components"][kind]:
            assert f'"\\u0023/components/{kind}/{name}"' in small


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_served_schema_takes_what_the_contracts_takes(name: str) -> None:
    """Only prose is gone: no property of that name, and no rule."""

    def rules(node: Any) -> Any:
        if isinstance(node, list):
            return [rules(one) for one in node]
        if not isinstance(node, dict):
            return node
        return {
            key: {own: rules(one) for own, one in value.items()}
            if key == "properties"
            else rules(value)
            for key, value in node.items()
            if key not in ("description", "example", "examples")
        }

    assert rules(small_contract()["components"]["schemas"][name]) == rules(SCHEMAS[name])


def test_what_is_served_fits_a_mapping_template_and_has_nothing_for_it_to_do() -> None:
    text = served()
    assert len(text.encode()) < MAX_TEMPLATE_BYTES / 4
    assert not set("$#") & set(text)


def test_what_is_served_needs_no_other_file() -> None:
    refers = [node["$ref"] for _, node in nodes(DOCUMENT) if isinstance(node.get("$ref"), str)]
    assert [target for target in refers if not target.startswith("#/")] == []
    assert all(re.match(SCHEMAS["Vendor"]["pattern"], one) for one in (*VENDORS, *SANDBOX))


SLUG = re.compile(r'(?:slug|problem)(?:: str)? ?= ?f?"([a-z{][^"]*)"|/problems/([a-z0-9-]+)')
NAMED = ("NumberError", "UnsupportedMessageError", "Warned", "_invalid", "refusal", "FileError")


def slugs() -> set[str]:
    """What stands in the code and the template as the type of a problem; {…} for what varies."""
    files = [*(ROOT / "layers/gateway/sms_gateway").rglob("*.py"), ROOT / "template.yaml"]
    texts = [path.read_text(encoding="utf-8") for path in files]
    found = {one or other for text in texts for one, other in SLUG.findall(text)}
    found = {slug for slug in found if re.fullmatch(r"({[^{}]*}|[a-z0-9-])+", slug)}
    calls = re.compile(rf'(?:{"|".join(NAMED)})\(\s*(?:[a-z]+, [a-z]+, )?"([a-z]+(?:-[a-z0-9]+)+)"')
    return found | {slug for text in texts for slug in calls.findall(text)}


def test_every_type_of_problem_is_told_on_its_page() -> None:
    got, page = DOCUMENT["x-problems"], problems_page()
    found = slugs()
    assert {"malformed-json", "invalid-number", "method-not-allowed", "mask-length"} <= found
    for slug in found:
        pattern = re.sub(r"{.*?}", "[a-z-]+", slug)
        assert [one for one in got if re.fullmatch(pattern, one)], slug
    for slug, words in got.items():
        assert f"<code>/problems/{slug}</code>" in page
        assert words.endswith((".", ">"))
    assert list(got) == sorted(got)
    assert not set("$#") & set(page)


def test_no_key_stands_twice() -> None:
    assert list(repeated_keys(yaml.compose(SOURCE.read_text(encoding="utf-8")))) == []
    assert list(repeated_keys(yaml.compose("{a: [{b: 1, c: 2, b: 3}], d: 4}"))) == ["b"]


def test_the_document_is_openapi_3_1() -> None:
    OPENAPI_31_VALIDATOR.validate(DOCUMENT)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_a_schema(name: str) -> None:
    jsonschema_rs.meta.validate(SCHEMAS[name])
    validator(SCHEMAS[name])


def test_every_reference_leads_somewhere_and_every_component_is_referred_to() -> None:
    references = {node["$ref"] for _, node in nodes(DOCUMENT) if "$ref" in node}
    for reference in references:
        assert resolved({"$ref": reference})
    components = {
        f"#/components/{kind}/{name}"
        for kind, named in DOCUMENT["components"].items()
        if kind != "securitySchemes"
        for name in named
    }
    assert components == references


@pytest.mark.parametrize(
    ("schema", "value"), [pytest.param(schema, value, id=at) for at, schema, value in examples()]
)
def test_every_example_is_what_its_schema_says(schema: dict[str, Any], value: Any) -> None:
    validator(schema).validate(value)


@pytest.mark.parametrize(
    ("name", "operation"),
    [pytest.param(name, operation, id=name) for name, operation in operations()],
)
def test_every_operation_lists_the_answers_that_it_can_give(
    name: str, operation: dict[str, Any]
) -> None:
    answers = set(operation["responses"])
    assert {"429", "503"} <= answers
    secured = operation.get("security", DOCUMENT["security"]) != []
    assert ({"401", "403"} <= answers) is secured
    path = name.split(" ")[1]
    assert ("{" in path) <= ("404" in answers)
    if secured:
        assert re.match(r"Scope `[a-z]+(:[a-z]+)?`|Any key, ", operation["description"])
    for status, answer in operation["responses"].items():
        if status == "304":  # never has a body
            assert "content" not in answer
            continue
        kinds = set(resolved(answer)["content"])
        problem = {"application/problem+json"}
        shown = {"text/html"} if path.startswith("/problems/") else {"application/json"}
        assert kinds == (shown if status < "300" else problem)


def test_every_path_parameter_is_described() -> None:
    for path, item in DOCUMENT["paths"].items():
        shared = item.get("parameters", [])
        for method, operation in item.items():
            if method != "parameters":
                described = [resolved(each) for each in shared + operation.get("parameters", [])]
                names = {each["name"] for each in described if each["in"] == "path"}
                assert names == set(re.findall(r"{(\w+)}", path))


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, operation in operations()]
    assert len(set(names)) == len(names)


def test_a_send_takes_no_field_that_is_not_described() -> None:
    send = validator(SCHEMAS["Send"])
    message = {"to": "+8801000000001", "text": "Hi"}
    for body in (message, message | {"to": [message["to"]]}, {"messages": [message]}):
        assert send.is_valid(body)
        assert not send.is_valid(body | {"status_address": "https://example.com"})
    assert not send.is_valid({"messages": [message | {"colour": "red"}]})
    assert not send.is_valid({"messages": [message], "to": message["to"]})


def test_an_optional_field_may_be_null_and_a_needed_one_not() -> None:
    send = validator(SCHEMAS["Send"])
    message = {"to": "+8801000000001", "text": "Hi"}
    options = properties(SCHEMAS["SendOne"]) - set(message)
    nothing = dict.fromkeys(options)
    assert send.is_valid(message | nothing)
    assert send.is_valid({"messages": [message | nothing], **nothing})
    assert not send.is_valid(message | {"to": None})
    assert not send.is_valid(message | {"text": None})


def test_a_message_of_many_can_override_every_shared_field() -> None:
    one, same, different, item = (
        properties(SCHEMAS[name]) for name in ("SendOne", "SendSame", "SendDifferent", "SendItem")
    )
    assert one == same == item
    assert different == item - {"to", "text"} | {"messages"}


def test_the_vocabulary_is_the_code_s() -> None:
    assert SCHEMAS["Status"]["enum"] == list(Status)
    assert all(re.match(SCHEMAS["Vendor"]["pattern"], one) for one in (*VENDORS, *SANDBOX))
    assert SCHEMAS["Capabilities"]["required"] == list(Capabilities.__struct_fields__)
    assert list(SCHEMAS["Capabilities"]["properties"]) == SCHEMAS["Capabilities"]["required"]


def test_no_example_shows_a_number_that_someone_could_have() -> None:
    text = json.dumps(DOCUMENT).replace(" ", "")
    assert set(re.findall(r"\+\d{7,}", text)) <= UNREAL
