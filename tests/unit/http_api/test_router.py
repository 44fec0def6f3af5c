"""The HTTP functions' own router."""

from typing import Any

import pytest

from sms_gateway.core.problems import InvocationError
from sms_gateway.http_api.request import Request
from sms_gateway.http_api.responses import router
from sms_gateway.http_api.router import Response, Router
from sms_gateway.http_api.safe_headers import SAFE_HEADERS


def words(text: str) -> Response:
    return Response(200, "text/plain", text, {"X-Own": "1"})


@pytest.fixture
def app() -> Router:
    made = Router(
        lambda error, _id: Response(500, "text/plain", str(error)),
        lambda _id: Response(404, "text/plain", "nowhere"),
        lambda _tenant: None,
    )

    @made.get("/things/<identifier>/parts/<part>")
    def read(_request: Request, identifier: str, part: str) -> Response:
        return words(f"{identifier} {part}")

    @made.post("/things")
    def write(request: Request) -> Response:
        return words(str(request.idempotency_key))

    @made.delete("/things")
    def fail(_request: Request) -> Response:
        raise RuntimeError("broken")

    return made


def asked(app: Router, method: str, path: str, **headers: str) -> dict[str, Any]:
    event = {"httpMethod": method, "path": path, "headers": headers or None, "requestContext": {}}
    return app.resolve(event, None)


def test_a_path_gives_its_handler_the_names_in_it(app: Router) -> None:
    answer = asked(app, "GET", "/things/a b/parts/é.2")
    assert answer == {
        "statusCode": 200,
        "headers": {**SAFE_HEADERS, "X-Own": "1", "Content-Type": "text/plain"},
        "body": "a b é.2",
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize("mapped", ["", "/v1", "/sms/v1", "/things"])
@pytest.mark.parametrize(
    ("method", "path", "resource", "body"),
    [
        ("POST", "/things", "/things", "None"),
        ("GET", "/things/a/parts/things", "/things/{thing}/parts/{part}", "a things"),
    ],
)
def test_what_a_domain_maps_to_the_stage_is_no_part_of_the_path(
    app: Router, mapped: str, method: str, path: str, resource: str, body: str
) -> None:
    event = {"httpMethod": method, "path": f"{mapped}{path}", "resource": resource}
    assert app.resolve(event | {"requestContext": {}}, None)["body"] == body


def posted(app: Router, headers: dict[str, str], body: str | None) -> dict[str, Any]:
    event = {"httpMethod": "POST", "path": "/things", "headers": headers, "body": body}
    return app.resolve(event | {"requestContext": {}}, None)


@pytest.mark.parametrize("mapped", ["", "/v1", "/things"])
@pytest.mark.parametrize("end", ["/", "//"])
def test_a_slash_at_the_end_changes_nothing(app: Router, mapped: str, end: str) -> None:
    event = {"httpMethod": "POST", "path": f"{mapped}/things{end}", "resource": "/things"}
    assert app.resolve(event | {"requestContext": {}}, None)["body"] == "None"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/json"},
        {"content-type": "Application/JSON; Charset=UTF-8"},
        {"Content-Type": 'application/vnd.api+json;charset="utf-8"'},
        {"Content-Type": "text/plain;charset=UTF-8"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Encoding": "identity"},
        {"Content-Encoding": "gzip"},  # API Gateway unpacked it
    ],
)
def test_json_in_utf_8_is_read(app: Router, headers: dict[str, str]) -> None:
    assert posted(app, headers, ' {"a": 1}')["statusCode"] == 200


@pytest.mark.parametrize(
    ("headers", "body", "slug"),
    [
        ({"Content-Type": "multipart/form-data; boundary=x"}, "{}", "unsupported-type"),
        ({"Content-Type": "application/xml"}, "{}", "unsupported-type"),
        ({"Content-Type": "application/json; charset=utf-16"}, "{}", "unsupported-type"),
        ({"Content-Encoding": "br"}, "{}", "unsupported-encoding"),
        ({"Content-Encoding": "gzip, gzip"}, "{}", "unsupported-encoding"),
        ({"Content-Encoding": "gzip"}, "\x1f\ufffd\x08", "unsupported-encoding"),
    ],
)
def test_a_body_of_another_type_or_coding_is_refused(
    headers: dict[str, str], body: str, slug: str
) -> None:
    app = router(lambda _tenant: None)

    @app.post("/things")
    def write(_request: Request) -> Response:
        return words("read")

    answer = posted(app, headers, body)
    assert (answer["statusCode"], slug in answer["body"]) == (415, True)
    assert {"Accept", "Accept-Encoding"} & set(answer["headers"])
    assert posted(app, headers, None)["statusCode"] == 200


def test_a_header_is_found_in_any_case(app: Router) -> None:
    assert asked(app, "POST", "/things", **{"IDEMPOTENCY-Key": "k"})["body"] == "k"
    assert asked(app, "POST", "/things")["body"] == "None"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/things"),
        ("PUT", "/things"),
        ("GET", "/things/1"),
        ("GET", "/things//parts/2"),
        ("GET", "/things/1/2/parts/3"),
        ("POST", "/v1/things"),
    ],
)
def test_what_no_route_reads_is_nowhere(app: Router, method: str, path: str) -> None:
    assert asked(app, method, path)["statusCode"] == 404


def test_what_a_handler_raises_is_answered(app: Router) -> None:
    assert asked(app, "DELETE", "/things")["body"] == "broken"


@pytest.mark.parametrize(
    "event",
    [
        *(None, [], "GET", {}),
        {"path": "/things", "requestContext": {}},
        {"httpMethod": "POST", "requestContext": {}},
        {"httpMethod": "POST", "path": "/things"},
        {"version": "2.0", "rawPath": "/things", "requestContext": {"http": {"method": "POST"}}},
    ],
)
def test_what_is_no_request_of_api_gateway_is_refused(app: Router, event: Any) -> None:
    with pytest.raises(InvocationError, match="API Gateway only"):
        app.resolve(event, None)


def test_what_a_request_holds_of_people_and_keys_stays_out_of_logs() -> None:
    event = {
        "httpMethod": "POST",
        "path": "/messages/+8801000000001",
        "headers": {"Authorization": "Bearer sms_secret"},
        "queryStringParameters": {"to": "+8801000000001"},
        "body": "a text",
        "requestContext": {"authorizer": {"tenant": "acme", "scopes": "messages:send account"}},
    }
    assert repr(Request.from_event(event)) == (
        "Request(method='POST', tenant='acme', scopes=('messages:send', 'account'), "
        "region=None, key_id=None, test=False, expires=None)"
    )
