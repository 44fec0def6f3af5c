"""Keep out of Lambda's logs what libraries and errors say: it may be a text, a number or a secret.

Libraries log what they work on: urllib3 a whole URL, with the vendor's credentials and the number.
Lambda writes all that reaches the root logger, stderr, or the message of an error that leaves the
function. So only our own logger is heard, and errors are shown by type and place.
"""

import logging
import sys
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from sms_gateway.core.error_places import describe
from sms_gateway.core.problems import GatewayError, InvocationError

type Handler = Callable[[Any, Any], Any]


class UnexpectedError(Exception):
    """An error that the function did not expect, by type and place."""


def silence_others() -> None:
    """Let nothing but our own logger write, whatever is imported later."""
    # A handler that writes nothing also keeps `logging.basicConfig` from adding one that does.
    logging.root.handlers[:] = [logging.NullHandler()]
    logging.captureWarnings(True)  # else they are written to stderr
    threading.excepthook = _report
    sys.unraisablehook = _report


def guarded(function: Handler) -> Handler:
    """Wrap a handler: it raises our own errors as they are, and for all else UnexpectedError."""

    @wraps(function)
    def handler(event: Any, context: Any) -> Any:
        try:
            return function(event, context)
        except (GatewayError, InvocationError):
            raise
        except Exception as error:
            shown = UnexpectedError(describe(error)).with_traceback(error.__traceback__)
            raise shown from None

    return handler


def _report(failed: Any) -> None:
    """Log what failed in a thread or a finalizer; Python would write it to stderr."""
    from sms_gateway.core.observability import logger  # saves start-up time: it never happens

    logger.error("thread failed", exc_info=failed.exc_value)
