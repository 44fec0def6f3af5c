"""Parse JST's responses, none of which its document shows: JSON or plain text, in any spelling.

One rule stands above the rest: a refusal must be certain, since the message may then be sent
elsewhere. A response with signs of both leaves the outcome unknown. Nothing here raises.
"""

import re
from collections.abc import Iterator, Mapping, Set
from datetime import UTC, datetime
from decimal import Decimal

from sms_gateway.core.status import Status
from sms_gateway.core.value_object import ValueObject
from sms_gateway.vendors.local_times import INDIA
from sms_gateway.vendors.parsing import as_decimal, as_text, decode_json
from sms_gateway.vendors.types import SubmitOutcome, SubmitVerdict, VendorResponse

# Parts of a receipt's state, in lower case. "deliv" is searched first: it means delivered, except
# beside one of NOT_DELIVERED.
STATES: Mapping[str, Status | None] = {
    "dnd": Status.UNDELIVERED,  # on the do-not-disturb register
    "ncpr": Status.UNDELIVERED,  # the register's other name
    "reject": Status.UNDELIVERED,
    "fail": Status.UNDELIVERED,
    "expired": Status.UNDELIVERED,
    "undeliv": Status.UNDELIVERED,
    "invalid": Status.UNDELIVERED,
    "pend": None,
    "wait": None,
    "queue": None,
    "process": None,
    "schedul": None,
    "submit": None,
    "accept": None,
    "sent": None,
}
UNKNOWN_STATE = (None, False)
NOT_DELIVERED = re.compile("un|not|fail|pend|wait")
NEVER_DELIVERED = re.compile("(not|non|un)[ _-]?deliv")  # unless "yet" is said

# Words of a submission's or a balance's answer.
REFUSED = re.compile("invalid|insufficient|unauthor", re.I)
ACCOUNT = re.compile("insufficient|unauthor|invalid (user|login|password|credential)", re.I)
SUCCESS = re.compile(r"(?<!not )\b(success|accepted|submitted)", re.I)
LATER = re.compile("temporar|try again", re.I)
TROUBLE = re.compile("error|fail|reject|denied|unavailable|timed? ?out", re.I)

PROXIES = (502, 503, 504)  # HTTP statuses of proxies before JST
ERROR_KEYS, NO_ERROR = ("error", "errors"), ("0", "false", "no", "none", "null")
STATUS_KEYS, FAILING = ("status", "success"), re.compile("err|fail|false|reject|denied|inv", re.I)
NUMBER_KEYS = ("mobile", "number", "to", "mobileno")
STATE_KEYS = ("status", "dlr", "dlrstatus", "state", "deliverystatus")
TIME_KEYS = ("time", "datetime", "dlrtime", "date")

JOB = re.compile(r"(?=.*[1-9])\w[\w.-]{0,63}")
JOB_IN_TEXT = re.compile(r"\bjob[ _-]?id\W{0,3}([0-9]{0,63}[1-9][0-9]{0,63})\b", re.I)
MIN_TEXT_ECHO = 4  # digits
LAST_NUMBER = re.compile(r"(?<![0-9][.:/-])(?<!-)\b([0-9]{0,63}[1-9][0-9]{0,63})\W*$")
BALANCE_IN_TEXT = re.compile(
    r"balance[^0-9a-z-]{0,5}(?:is )?"
    r"(-?[0-9]{1,18}(?:,[0-9]{2,3})*(?:\.[0-9]{1,18})?)(?![0-9.,]*[0-9])",
    re.I,
)
LOOSE_NAME = re.compile(r"([{,]\s*)([\w -]*\w)\s*:")
LOOSE_WORD = re.compile(
    r"(?<=[:,\[])(\s*)(?!(?:true|false|null|-?[0-9.]+)\s*[],}])"
    r"([^\s\"{\[\],}][^\"{}\[\],]*?)(?=\s*[],}])"
)
HALF_JSON = ("{", "[", '"', "null")
PLAIN = re.compile(r"(?!.*<[a-z!/?])(?=.*\w)[^\x00-\x08\x0e-\x1f\x7f\ufffd]+", re.I | re.S)
NUMBER = re.compile(r"\+?[0-9]{0,3}([0-9]{10})")
ROW = re.compile(  # [job,] number, state[, time]
    r"\W*([0-9]+\W+)?(?P<number>[0-9]{10,13})[\s,;:|^]+(?P<state>[a-z][^,;|^]*)[,;|^]*(?P<time>.*)",
    re.I,
)


class Receipt(ValueObject, frozen=True):
    """A receipt of one number (its 10 digits).

    `status` None changes nothing; a state that is not `known` has none.
    """

    number: str
    state: str
    status: Status | None
    known: bool
    at: datetime | None


def parse(body: bytes) -> object:
    """Return JSON, or else plain text; None for what is neither: nothing, HTML, half a response."""
    answer = decode_json(body)
    if answer is None:
        text = body.decode("utf-8-sig", errors="replace").strip()
        answer = _parse_loose(text) if text.startswith(HALF_JSON) else text
    return None if isinstance(answer, str) and not PLAIN.fullmatch(answer) else answer


def _parse_loose(text: str) -> object:
    """Return a whole object or list whose names and words have no quotes, or single ones."""
    if not text.endswith(("}", "]")) or '"' in text:
        return None
    if "'" in text:
        return decode_json(text.replace("'", '"').encode())
    named = LOOSE_NAME.sub(r'\1"\2":', text)
    return decode_json(LOOSE_WORD.sub(r'\1"\2"', named).encode())


def vendor_words(answer: object, texts: Set[str] = frozenset()) -> str:
    """Return all words of an answer, without `texts` that it may repeat."""
    strings = [item for _, item in _pairs(answer) if isinstance(item, str) and item not in texts]
    return "; ".join(item for item in strings if re.search("[A-Za-z]", item))


def parse_outcome(
    response: VendorResponse, texts: Set[str], numbers: Set[str] = frozenset()
) -> SubmitOutcome:
    """Return the outcome of a submission of `texts` to `numbers`.

    Without job id and error word it is accepted, untracked.
    """
    answer = parse(response.body)
    words = vendor_words(answer, texts)
    verdict, job = _verdict(response.status, answer, words)
    if job and job != _job(answer) and _is_echo(job, texts, numbers):
        job = None
    account = verdict is SubmitVerdict.REFUSED and bool(ACCOUNT.search(words))
    return SubmitOutcome(verdict, vendor_id=job, text=words[:200] or None, account_fault=account)


def _is_echo(job: str, texts: Set[str], numbers: Set[str]) -> bool:
    """Whether an answer's last number may be that of a text or a number which it repeats."""
    in_text = len(job) >= MIN_TEXT_ECHO and any(job in text for text in texts)
    return in_text or any(job.endswith(ten_digits(number)) for number in numbers)


def refused(answer: object) -> bool:
    """Return whether an answer has a word of refusal, an error, or a failing status."""
    return bool(REFUSED.search(vendor_words(answer))) or _failing(answer)


def parse_balance(answer: object) -> Decimal | None:
    """Return a bare number, the one behind the word, or of an object its balance or last of two."""
    found = [item for key, item in _pairs(answer) if "balance" in key]
    if isinstance(answer, str) and (written := BALANCE_IN_TEXT.search(answer)):
        return as_decimal(written[1].replace(",", ""))
    if not isinstance(answer, dict):
        found.append(answer)
    elif len(answer) <= 2:
        found += [*answer.values()][-1:]
    return next((amount for amount in map(as_decimal, found) if amount is not None), None)


def parse_receipts(answer: object) -> list[Receipt]:
    """Parse a list or map of objects, a map of numbers to states, or lines of text."""
    rows = _lines(answer) if isinstance(answer, str) else _objects(answer)
    return [
        Receipt(number, state[:200], *_status(state), _parse_time(time))
        for number, state, time in rows
    ]


def ten_digits(number: str) -> str:
    """Return the 10 digits of an Indian number, however it is written; "" for anything else."""
    found = NUMBER.fullmatch(number)
    return found[1] if found else ""


def _verdict(http_status: int, answer: object, words: str) -> tuple[SubmitVerdict, str | None]:
    """Return the verdict and the job id, surest sign first."""
    if job := _job(answer):
        return SubmitVerdict.ACCEPTED, job
    # Proxies on the way answer {"error": …} too, with a 5xx: that refuses nothing. Nor do words
    # that must be theirs ("an invalid response was received from the upstream server").
    refused_by_jst = REFUSED.search(words) and http_status not in PROXIES
    if refused_by_jst or (_failing(answer) and http_status < 500):
        if SUCCESS.search(words):
            return SubmitVerdict.UNKNOWN, None
        later = LATER.search(words) and not REFUSED.search(words)
        return SubmitVerdict.RETRY if later else SubmitVerdict.REFUSED, None
    if http_status >= 400 or TROUBLE.search(words):
        return SubmitVerdict.UNKNOWN, None
    text = str(answer) if isinstance(answer, str | int) else ""
    if number := LAST_NUMBER.search(text):
        return SubmitVerdict.ACCEPTED, number[1]
    untracked = isinstance(answer, str | dict) and any(as_text(item) for _, item in _pairs(answer))
    return SubmitVerdict.ACCEPTED if untracked else SubmitVerdict.UNKNOWN, None


def _job(answer: object) -> str | None:
    """Return the job id that an answer names as one."""
    if isinstance(answer, str):
        match = JOB_IN_TEXT.search(answer)
        return match and match[1]
    named = (as_text(item) or "" for key, item in _pairs(answer) if key == "jobid")
    return next((job for job in named if JOB.fullmatch(job)), None)


def _failing(answer: object) -> bool:
    return any(
        (key in ERROR_KEYS and str(as_text(item) or bool(item)).lower() not in NO_ERROR)
        or (key in STATUS_KEYS and (item is False or FAILING.match(as_text(item) or "")))
        for key, item in _pairs(answer)
    )


def _pairs(answer: object) -> list[tuple[str, object]]:
    """Return every value of an answer at any depth, with its key's letters in lower case."""
    found = [("", answer)]
    for key, item in found:  # grows while it is read
        if isinstance(item, dict):
            found.extend((_fold(name), value) for name, value in item.items())
        elif isinstance(item, list):
            found.extend((key, value) for value in item)
    return found


def _fold(key: str) -> str:
    return re.sub("[^a-z]", "", key.lower())


def _lines(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the rows of lines; `~` stands between rows, or between the cells of one."""
    rows = [*filter(None, map(ROW.match, re.split(r"[\r\n~]+", text)))]
    if not rows and "~" in text:
        rows = [*filter(None, map(ROW.match, text.replace("~", ",").splitlines()))]
    for row in rows:
        yield ten_digits(row["number"]), row["state"].strip(), row["time"].strip()


def _objects(answer: object) -> Iterator[tuple[str, str, str]]:
    found: list[tuple[str, object]] = [("", answer)]
    for number, item in found:  # grows while it is read
        if isinstance(item, list):
            if row_of_cells := _cells(item):
                yield row_of_cells
            else:
                found.extend((number, value) for value in item)
        elif isinstance(item, dict):
            row = {_fold(key): as_text(value) or "" for key, value in item.items()}
            number = ten_digits(_first(row, NUMBER_KEYS)) or number
            if number and _first(row, STATE_KEYS):
                yield number, _first(row, STATE_KEYS), _first(row, TIME_KEYS)
            else:
                found.extend((ten_digits(key), value) for key, value in item.items())
        elif number and (state := as_text(item)):
            yield number, state, ""
        elif isinstance(item, str):
            yield from _lines(item)


def _cells(row: list[object]) -> tuple[str, str, str] | None:
    """Read a row of cells: [job,] number, state[, time]; None for another list."""
    cells = [as_text(cell) or "" for cell in row]
    states = [place for place, cell in enumerate(cells) if re.match("[A-Za-z]", cell)]
    if not states:
        return None
    state = states[0]
    numbers = [*filter(None, map(ten_digits, cells[:state]))]
    return (numbers[-1], cells[state], "".join(cells[state + 1 : state + 2])) if numbers else None


def _first(row: Mapping[str, str], keys: tuple[str, ...]) -> str:
    return next((row[key] for key in keys if row.get(key)), "")


def _status(state: str) -> tuple[Status | None, bool]:
    low = state.lower()
    if "deliv" in low and not NOT_DELIVERED.search(low):
        return Status.DELIVERED, True
    if NEVER_DELIVERED.search(low):
        return (None if "yet" in low else Status.UNDELIVERED), True
    return next(((status, True) for part, status in STATES.items() if part in low), UNKNOWN_STATE)


def _parse_time(written: str) -> datetime | None:
    """Return a time in UTC; one without a zone is India's."""
    try:
        when = datetime.fromisoformat(written)
        return (when if when.tzinfo else when.replace(tzinfo=INDIA)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
