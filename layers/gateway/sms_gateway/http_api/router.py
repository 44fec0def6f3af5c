"""Routes of an HTTP function: decorated handlers by method and path, as API Gateway's events name
them. Powertools' resolver does far more, and takes a sixth of a cold start to be imported."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from sms_gateway.core.value_object import ValueObject


class Response(ValueObject, frozen=True):
    """An HTTP answer; `headers` are those beside Content-Type."""

    status_code: int
    content_type: str
    body: str
    headers: Mapping[str, str] = {}

    def proxied(self) -> dict[str, Any]:
        """As API Gateway's proxy integration takes it."""
        return {
            "statusCode": self.status_code,
            "headers": {**self.headers, "Content-Type": self.content_type},
            "body": self.body,
            "isBase64Encoded": False,
        }


class Headers(dict[str, str]):
    """A request's headers, whose names are the same in any case."""

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in given.items()})

    def get(self, name: str, default: Any = None) -> Any:
        """A header's value."""
        return super().get(name.lower(), default)


class Event:
    """The request that is being answered."""

    def __init__(self, raw_event: dict[str, Any]) -> None:
        self.raw_event = raw_event
        self.headers = Headers(raw_event.get("headers") or {})


Handler = Callable[..., Response]


class Router:
    """A function's routes. `failed` makes the answer to whatever a handler raises, `nowhere` that
    to a path that no route reads."""

    def __init__(self, failed: Callable[[Exception], Response], nowhere: Callable[[], Response]):
        self._failed = failed
        self._nowhere = nowhere
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self.current_event = Event({})

    def _route(self, method: str, path: str) -> Callable[[Handler], Handler]:
        pattern = re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", path))

        def remember(handler: Handler) -> Handler:
            self._routes.append((method, pattern, handler))
            return handler

        return remember

    def get(self, path: str) -> Callable[[Handler], Handler]:
        """The handler of GET; `<name>` in the path is an argument of that name."""
        return self._route("GET", path)

    def post(self, path: str) -> Callable[[Handler], Handler]:
        """The handler of POST."""
        return self._route("POST", path)

    def delete(self, path: str) -> Callable[[Handler], Handler]:
        """The handler of DELETE."""
        return self._route("DELETE", path)

    def resolve(self, event: dict[str, Any], _context: object) -> dict[str, Any]:
        """Answers an event of API Gateway (REST, proxy integration)."""
        self.current_event = Event(event)
        # Under a domain of its own the path begins with what the domain maps to the stage.
        path = event["path"]
        segments = path.rsplit("/", event.get("resource", path).count("/"))[1:]
        return self._answer(event["httpMethod"], f"/{'/'.join(segments)}").proxied()

    def _answer(self, method: str, path: str) -> Response:
        for wanted, pattern, handler in self._routes:
            if wanted == method and (found := pattern.fullmatch(path)):
                try:
                    return handler(**found.groupdict())
                except Exception as error:
                    return self._failed(error)
        return self._nowhere()
