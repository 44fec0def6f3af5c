"""Errors that become RFC 9457 problem documents.

GatewayError 500
├── MalformedBodyError 400
├── UnauthorizedError 401
├── ForbiddenError 403
├── NotFoundError 404
├── ConflictError 409
├── TooLargeError 413
├── UnsupportedBodyError 415
├── InvalidRequestError 422
├── TooManyRequestsError 429
├── VendorFailedError 502
├── ServiceUnavailableError 503
├── NoAnswerError 504
└── VendorTimeoutError 504
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class GatewayError(Exception):
    """An error with its HTTP status and problem document.

    `detail` says what is wrong and what to do next, and never holds a text, a phone number or a
    secret; `pointer` is a JSON pointer into the request's body.
    """

    http_status: ClassVar[int] = 500
    slug: str = "internal-error"
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        detail: str,
        *,
        slug: str | None = None,
        pointer: str | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.slug = slug or type(self).slug
        self.pointer = pointer
        self.headers = dict(headers or {})
        self.members = members

    def to_dict(self) -> dict[str, Any]:
        """Return the problem document, without empty members."""
        document = {
            "type": f"/problems/{self.slug}",
            "title": self.title,
            "status": self.http_status,
            "detail": self.detail,
            "pointer": self.pointer,
            **{"retryable": self.retryable, **self.members},
        }
        return {name: value for name, value in document.items() if value is not None}


class MalformedBodyError(GatewayError):
    """The body is not JSON."""

    http_status = 400
    slug = "malformed-json"
    title = "The body is not JSON"


class UnauthorizedError(GatewayError):
    """The API key is missing, unknown or revoked."""

    http_status = 401
    slug = "unauthorized"
    title = "A valid API key is needed"


class ForbiddenError(GatewayError):
    """The API key lacks the scope."""

    http_status = 403
    slug = "missing-scope"
    title = "The key may not do this"


class NotFoundError(GatewayError):
    """There is no such resource, or not of this tenant."""

    http_status = 404
    slug = "not-found"
    title = "Not found"


class ConflictError(GatewayError):
    """The resource's state does not allow the request."""

    http_status = 409
    slug = "conflict"
    title = "Not possible any more"


class TooLargeError(GatewayError):
    """The body, or what it asks for, is over the limit."""

    http_status = 413
    slug = "body-too-large"
    title = "The body is too large"


class UnsupportedBodyError(GatewayError):
    """The body's media type or content coding is not read here."""

    http_status = 415
    slug = "unsupported-type"
    title = "The body can't be read"


class InvalidRequestError(GatewayError):
    """The request is well formed but not valid."""

    http_status = 422
    slug = "invalid-request"
    title = "The request can't be accepted"


class TooManyRequestsError(GatewayError):
    """A rate limit is reached; `Retry-After` says for how long."""

    http_status = 429
    slug = "too-many-requests"
    title = "Too many requests"
    retryable = True


class VendorFailedError(GatewayError):
    """The vendor refused the call, or its response is unreadable."""

    http_status = 502
    slug = "vendor-failed"
    title = "The vendor could not do it"


class ServiceUnavailableError(GatewayError):
    """The gateway's settings are not usable, or AWS does not answer."""

    http_status = 503
    slug = "unavailable"
    title = "Not available now"
    retryable = True


class NoAnswerError(GatewayError):
    """It is not known whether the request was accepted; API Gateway's own answers say so too."""

    http_status = 504
    slug = "no-answer"
    title = "No answer in time"


class VendorTimeoutError(GatewayError):
    """The vendor did not answer in time."""

    http_status = 504
    slug = "vendor-silent"
    title = "The vendor did not answer"


class InvocationError(Exception):
    """An error for whoever invoked the function: its class's name and its words are the answer.

    Its words never hold a number, text or key.
    """
