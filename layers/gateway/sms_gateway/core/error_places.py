"""Errors as logs may show them: by type and place, without words that may repeat content.

A library's error often carries what it failed on: a URL with credentials, a number, a text.
"""

from collections.abc import Iterator
from os.path import basename

from sms_gateway.core.problems import GatewayError


def describe(error: BaseException) -> str:
    """Return an error's type, what is safe to say of it, and the line that raised it.

    Only our own problems have safe words; of an AWS refusal the operation and the code are.
    """
    words = "".join(f": {word}" for word in _safe_words(error))
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    if place is None:
        return f"{type(error).__name__}{words}"
    file = basename(place.tb_frame.f_code.co_filename)  # noqa: PTH119 - pathlib costs start-up time
    return f"{type(error).__name__}{words} at {file}:{place.tb_lineno}"


def trace(error: BaseException) -> str:
    """Return an error and those that led to it, the first one last, each with its calls."""
    lines: list[str] = []
    for one in _chain(error):
        lines.append(describe(one))
        place = one.__traceback__
        while place:
            code = place.tb_frame.f_code
            lines.append(f"  {code.co_filename}:{place.tb_lineno} in {code.co_name}")
            place = place.tb_next
    return "\n".join(lines)


def _safe_words(error: BaseException) -> Iterator[str]:
    if isinstance(error, GatewayError):
        yield error.detail
    # botocore's ClientError, which not every function imports
    answer, operation = getattr(error, "response", None), getattr(error, "operation_name", None)
    if isinstance(answer, dict) and isinstance(operation, str):
        yield f"{operation} {answer.get('Error', {}).get('Code', 'error')}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
