"""Routes of an HTTP function: handlers by method and path.

Powertools' resolver does more, but importing it takes a sixth of a cold start.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Concatenate

from sms_gateway.core.observability import logger
from sms_gateway.core.value_object import ValueObject
from sms_gateway.http_api.media_types import refuse_unreadable
from sms_gateway.http_api.request import Request, request_id_of, require_request
from sms_gateway.http_api.safe_headers import SAFE_HEADERS


class Response(ValueObject, frozen=True):
    """An HTTP response; `headers` are those beside Content-Type and SAFE_HEADERS."""

    status_code: int
    content_type: str
    body: str
    headers: Mapping[str, str] = {}

    def to_proxy_result(self) -> dict[str, Any]:
        """Return the result that API Gateway's proxy integration expects."""
        return {
            "statusCode": self.status_code,
            "headers": {**SAFE_HEADERS, **self.headers, "Content-Type": self.content_type},
            "body": self.body,
            "isBase64Encoded": False,
        }


Handler = Callable[Concatenate[Request, ...], Response]


class Router:
    """A function's routes.

    `on_error` answers what a handler raises, `on_no_route` other paths, each with the request's id.
    `admit` is asked about each request, and raises to refuse it.
    """

    def __init__(
        self,
        on_error: Callable[[Exception, str | None], Response],
        on_no_route: Callable[[str | None], Response],
        admit: Callable[[Request], None],
    ) -> None:
        self._on_error = on_error
        self._on_no_route = on_no_route
        self._admit = admit
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def get(self, path: str) -> Callable[[Handler], Handler]:
        """Register a handler of GET; `<name>` in the path becomes an argument of that name."""
        return self._route("GET", path)

    def post(self, path: str) -> Callable[[Handler], Handler]:
        """Register a handler of POST."""
        return self._route("POST", path)

    def delete(self, path: str) -> Callable[[Handler], Handler]:
        """Register a handler of DELETE."""
        return self._route("DELETE", path)

    def resolve(self, event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        """Answer an event of a REST API's proxy integration. Raise InvocationError for another."""
        require_request(event)
        request_id = request_id_of(event)
        if request_id is not None:
            logger.append_keys(request_id=request_id)
        try:
            response = self._respond(Request.from_event(event), request_id)
        except Exception as error:
            response = self._on_error(error, request_id)
        finally:
            logger.remove_keys(["request_id"])
        return response.to_proxy_result()

    def _route(self, method: str, path: str) -> Callable[[Handler], Handler]:
        pattern = re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", path))

        def register(handler: Handler) -> Handler:
            self._routes.append((method, pattern, handler))
            return handler

        return register

    def _respond(self, request: Request, request_id: str | None) -> Response:
        for method, pattern, handler in self._routes:
            if method == request.method and (match := pattern.fullmatch(request.path)):
                self._admit(request)
                refuse_unreadable(request.headers, request.body)
                return handler(request, **match.groupdict())
        return self._on_no_route(request_id)
