"""Every documented route, with every scope but its own, and with its own alone."""

import re
from typing import Any

import pytest
import yaml

from sms_gateway.config.api_keys import SCOPES
from testing.deployed import Api
from testing.paths import ROOT

CONTRACT: dict[str, Any] = yaml.safe_load((ROOT / "openapi.yaml").read_text())
METHODS = ("get", "post", "put", "patch", "delete")
VALUES = {"{vendor}": "server2sms", "{originator}": "1", "{id}": "01M80H3EQ01TZ45Z18JY8DE15Q"}
KEY = "/key"  # what a key is, each may ask
OPEN = {"/health", "/openapi.json", "/problems/{problem}", "/callbacks/{vendor}/{token}"}


def operations() -> list[tuple[str, str, str]]:
    """Method, path and scope of what needs one."""
    found = []
    for path, item in CONTRACT["paths"].items():
        for method in METHODS:
            if method in item and path not in OPEN | {KEY}:
                got = re.match(r"Scope `([a-z:]+)`", item[method]["description"])
                assert got, f"{method} {path} does not begin with its scope"
                found.append((method.upper(), path, got[1]))
    return found


def filled(path: str) -> str:
    for name, value in VALUES.items():
        path = path.replace(name, value)
    return path


_keys: dict[tuple[str, ...], str] = {}


def caller(api: Api, scopes: tuple[str, ...]) -> Api:
    if scopes not in _keys:
        _keys[scopes] = api.stack.key("scoped", scopes)
    return Api(api.stack, _keys[scopes])


def test_every_scope_opens_something() -> None:
    assert {scope for _, _, scope in operations()} == set(SCOPES)


@pytest.mark.parametrize(("method", "path", "scope"), operations())
def test_all_scopes_but_one_do_not_open_a_route(
    method: str, path: str, scope: str, api: Api
) -> None:
    others = tuple(one for one in SCOPES if one != scope)
    answer = caller(api, others)(method, filled(path))
    assert (answer.status, answer.body["type"]) == (403, "/problems/missing-scope")
    assert scope in answer.body["detail"]


@pytest.mark.parametrize(("method", "path", "scope"), operations())
def test_a_routes_own_scope_is_enough(method: str, path: str, scope: str, api: Api) -> None:
    answer = caller(api, (scope,))(method, filled(path))
    assert answer.status not in (401, 403)
    assert answer.status < 500


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_learns_what_it_is_and_nothing_of_others(scope: str, api: Api) -> None:
    answer = caller(api, (scope,))("GET", KEY)
    assert answer.status == 200
    assert (answer.body["tenant"], answer.body["scopes"]) == ("scoped", [scope])
    assert answer.body["test"] is False


@pytest.mark.parametrize(("method", "path", "_scope"), [*operations(), ("GET", KEY, "")])
@pytest.mark.parametrize(
    "key",
    [None, "", "sms_", "sms_wrong", "sms_" + "x" * 43, "sms_" + "x" * 4000, "null", "../KEYS"],
    ids=["none", "empty", "prefix", "short", "made up", "long", "null", "path"],
)
def test_no_route_opens_without_a_key(
    method: str, path: str, _scope: str, key: str | None, api: Api
) -> None:
    answer = Api(api.stack, key)(method, filled(path))
    assert (answer.status, answer.body["type"]) == (401, "/problems/unauthorized")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert not key or key not in str(answer.body)


@pytest.mark.parametrize("scheme", ["Basic", "bearer2", "", "Bearer Bearer"])
def test_no_other_scheme_is_read(scheme: str, api: Api) -> None:
    answer = Api(api.stack, None)(
        "GET", "/messages", headers={"Authorization": f"{scheme} {api.key}"}
    )
    assert answer.status == 401
