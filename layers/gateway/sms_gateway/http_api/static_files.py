"""The files of a built web page, as text, with headers that let nothing else in.

API Gateway compresses what has 8 KB or more for who accepts gzip (MinimumCompressionSize).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sms_gateway.core.problems import NotFoundError
from sms_gateway.http_api.request import request_id_of, require_request
from sms_gateway.http_api.responses import problem_response
from sms_gateway.http_api.router import Response

INDEX = "index.html"
# The page behind each address without a file's name.
PAGES = {"console": INDEX, "docs": "docs.html"}
# The build names these by what they hold.
NAMED_BY_CONTENT = "assets/"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'{}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
SAFE = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
}


class StaticFiles:
    """What lies in a folder at the start; nothing outside it has a name here.

    Its pages may call their own origin, and `uploads`, another one that takes files; "" is none.
    """

    def __init__(self, folder: Path, uploads: str = "") -> None:
        policy = POLICY.format(f" {uploads}" if uploads else "")
        self._headers = {"Content-Security-Policy": policy, **SAFE}
        self._files = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.suffix in TYPES and path.is_file()
        }

    def answer(self, event: Mapping[str, Any]) -> Response:
        """Answer a request to `/console` or `/docs`, or with the path parameter `file` a file.

        Raises InvocationError for an event that is none of API Gateway's.
        """
        require_request(event)
        name = (event.get("pathParameters") or {}).get("file")
        if INDEX not in self._files:
            return _not_found(event, "The console was not built: see docs/guides/console.md.")
        if name is None:
            above = "../" if event["path"].endswith("/") else ""
            page = PAGES.get(str(event.get("resource")).strip("/"), INDEX)
            # Relative, since the API's own address has many forms.
            return self._redirect(f"{above}console/{page}")
        if name in self._files:
            return self._file(name)
        return _not_found(event, "The console has no such file.")

    def _redirect(self, location: str) -> Response:
        return Response(
            status_code=302,
            content_type=TYPES[".txt"],
            body="",
            headers={**self._headers, "Cache-Control": "no-cache", "Location": location},
        )

    def _file(self, name: str) -> Response:
        path, kept = self._files[name], name.startswith(NAMED_BY_CONTENT)
        return Response(
            status_code=200,
            content_type=TYPES[path.suffix],
            body=path.read_text(encoding="utf-8"),
            headers={
                **self._headers,
                "Cache-Control": "public, max-age=31536000, immutable" if kept else "no-cache",
            },
        )


def _not_found(event: Mapping[str, Any], detail: str) -> Response:
    return problem_response(NotFoundError(detail), request_id_of(event))
