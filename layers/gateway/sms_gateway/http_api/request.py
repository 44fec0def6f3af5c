"""An HTTP request, read from API Gateway's event."""

import base64
from collections.abc import Mapping
from typing import Any

from sms_gateway.core.observability import count, logger
from sms_gateway.core.problems import ForbiddenError, InvocationError, UnauthorizedError
from sms_gateway.core.value_object import ValueObject
from sms_gateway.http_api.safe_headers import CHALLENGE

_PARTS = frozenset({"httpMethod", "path", "requestContext"})


class Request(ValueObject, frozen=True):
    """One request. Header names are in lower case; `tenant` is None without a valid key.

    `key_id`, `region` (ISO 3166 alpha-2, in which it writes national numbers) and `test` are the
    key's.
    `expires` (epoch seconds) is when the key ends, `policy` is its policy, a JSON text; `ip` is the
    address that the request came from.
    """

    hidden = frozenset({"path", "headers", "body", "query", "policy", "ip"})

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: dict[str, str]
    tenant: str | None
    scopes: tuple[str, ...]
    region: str | None = None
    key_id: str | None = None
    policy: str | None = None
    ip: str | None = None
    test: bool = False
    expires: int | None = None

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "Request":
        """Read an event of a REST API's proxy integration."""
        authorizer = event.get("requestContext", {}).get("authorizer") or {}
        tenant, scopes = authorizer.get("tenant"), authorizer.get("scopes")
        return cls(
            method=event["httpMethod"],
            path=_stage_path(event),
            headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
            body=raw_body(event),
            query=query(event),
            tenant=str(tenant) if tenant and scopes is not None else None,
            scopes=tuple((scopes or "").split()),
            region=authorizer.get("region") or None,
            key_id=authorizer.get("key_id") or None,
            policy=authorizer.get("policy") or None,
            ip=event.get("requestContext", {}).get("identity", {}).get("sourceIp"),
            test=bool(authorizer.get("test")),
            expires=int(authorizer["expires"]) if authorizer.get("expires") else None,
        )

    @property
    def idempotency_key(self) -> str | None:
        """The Idempotency-Key header."""
        return self.headers.get("idempotency-key")


def require_request(event: Any) -> None:
    """Raise InvocationError for an event that is none of API Gateway's.

    Whoever may invoke a function by IAM can imitate one; this refuses what is meant for another.
    """
    if not (isinstance(event, dict) and event.keys() >= _PARTS):
        raise InvocationError(
            "This function answers API Gateway only; docs/guides/triggers.md says which one to "
            "invoke directly."
        )


def require_scope(request: Request, scope: str, *, tests: bool = False) -> str:
    """Return the tenant whose key has the scope. Raises UnauthorizedError, ForbiddenError.

    `tests` is whether the route knows test keys, and keeps them from vendors; others refuse them.
    """
    tenant = require_key(request)
    if scope not in request.scopes:
        count("ScopeRefused", scope)
        named = {"scope": scope, "key_id": request.key_id, "tenant": request.tenant}
        logger.warning("scope refused", extra=named)
        raise ForbiddenError(
            f"This key does not have the scope {scope}; its operator can make one."
        )
    if request.test and not tests:
        raise ForbiddenError(
            "A test key sends, reads and verifies; use a live key here.", slug="test-key"
        )
    return tenant


def require_key(request: Request) -> str:
    """Return the tenant of a key, whatever its scopes. Raises UnauthorizedError."""
    if request.tenant is None:
        raise UnauthorizedError(
            "Send a valid key as Authorization: Bearer <key>.", headers=CHALLENGE
        )
    return request.tenant


def request_id_of(event: Mapping[str, Any]) -> str | None:
    """Read API Gateway's id of a request, which its access log has too."""
    found = event.get("requestContext", {}).get("requestId")
    return str(found) if found else None


def raw_body(event: Mapping[str, Any]) -> bytes:
    """Decode the body to the bytes that were sent."""
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def query(event: Mapping[str, Any]) -> dict[str, str]:
    """Read the query parameters; of a repeated one, the last counts."""
    return dict(event.get("queryStringParameters") or {})


def callback_route(event: Mapping[str, Any]) -> tuple[str, str, str]:
    """Read method, vendor and token of a request to /callbacks/{vendor}/{token}.

    The event is API Gateway's or a function URL's (payload format 2.0, which has no path
    parameters). Vendor and token are empty for another path.
    """
    if event.get("version") != "2.0":
        parameters = event.get("pathParameters") or {}
        vendor, token = parameters.get("vendor", ""), parameters.get("token", "")
        return event["httpMethod"], str(vendor), str(token)
    route, vendor, token = (*event["rawPath"].strip("/").split("/"), "", "", "")[:3]
    method = event["requestContext"]["http"]["method"]
    return (method, vendor, token) if route == "callbacks" else (method, "", "")


def _stage_path(event: Mapping[str, Any]) -> str:
    # A custom domain's base path stands before the resource's path. API Gateway takes a slash at
    # the end for nothing, and passes it on.
    path = str(event["path"]).rstrip("/")
    segments = path.rsplit("/", event.get("resource", path).count("/"))[1:]
    return f"/{'/'.join(segments)}"
