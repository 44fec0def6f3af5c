"""Every error the gateway answers with, as RFC 9457 problem documents.

GatewayError (500)
├── MalformedBody 400    ├── Unauthorized 401      ├── Forbidden 403        ├── NotFound 404
├── Conflict 409         ├── TooLarge 413          ├── Invalid 422          ├── TooMany 429
├── VendorFailed 502     (the vendor can't be used, or said what nobody understands)
├── Unavailable 503      (settings that are missing or broken, AWS that does not answer)
└── VendorTimeout 504    (the vendor did not answer)
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class GatewayError(Exception):
    """An error that knows its answer. `detail` says what is wrong and what to do next, and never
    holds a text, a number or a secret; `pointer` is a JSON pointer into the request's body."""

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
        """The problem document, without empty members."""
        every = {
            "type": f"/problems/{self.slug}",
            "title": self.title,
            "status": self.http_status,
            "detail": self.detail,
            "pointer": self.pointer,
            **{"retryable": self.retryable, **self.members},
        }
        return {name: value for name, value in every.items() if value is not None}


class MalformedBodyError(GatewayError):
    """The body is no JSON."""

    http_status = 400
    slug = "malformed-json"
    title = "The body is not JSON"


class UnauthorizedError(GatewayError):
    """No key, or not one of ours."""

    http_status = 401
    slug = "unauthorized"
    title = "A valid API key is needed"


class ForbiddenError(GatewayError):
    """A good key without the scope."""

    http_status = 403
    slug = "missing-scope"
    title = "The key may not do this"


class NotFoundError(GatewayError):
    """Nothing there, or nothing that this tenant may know of."""

    http_status = 404
    slug = "not-found"
    title = "Not found"


class ConflictError(GatewayError):
    """The state of things does not allow it."""

    http_status = 409
    slug = "conflict"
    title = "Not possible any more"


class TooLargeError(GatewayError):
    """The body is over the limit."""

    http_status = 413
    slug = "body-too-large"
    title = "The body is too large"


class InvalidRequestError(GatewayError):
    """The request can be read but not accepted."""

    http_status = 422
    slug = "invalid-request"
    title = "The request can't be accepted"


class TooManyRequestsError(GatewayError):
    """More than is allowed in a time; `Retry-After` says when it is over."""

    http_status = 429
    slug = "too-many-requests"
    title = "Too many requests"
    retryable = True


class VendorFailedError(GatewayError):
    """The vendor was asked, and what came of it is no good."""

    http_status = 502
    slug = "vendor-failed"
    title = "The vendor could not do it"


class ServiceUnavailableError(GatewayError):
    """The gateway can't do it now: its settings are broken, or AWS does not answer."""

    http_status = 503
    slug = "unavailable"
    title = "Not available now"
    retryable = True


class VendorTimeoutError(GatewayError):
    """The vendor was asked and said nothing."""

    http_status = 504
    slug = "vendor-silent"
    title = "The vendor did not answer"
