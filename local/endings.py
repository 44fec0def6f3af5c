"""How a made-up message ends: the steps and words that its vendor would have told."""

from collections.abc import Mapping
from copy import replace
from random import Random
from typing import NamedTuple

from sms_gateway.core.status import Status
from sms_gateway.dispatch.failover import FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS
from sms_gateway.storage.items import Item, json_attribute, number_attribute, submission_item
from sms_gateway.storage.models import (
    ALL_MESSAGES,
    Source,
    Submission,
    SubmissionResult,
    TimelineEntry,
    VerdictLetter,
)

Words = tuple[str | None, str | None]  # a vendor's code and text


class VendorWords(NamedTuple):
    """What a vendor says of a message, in the words of its simulator."""

    accepted: Words
    delivered: Words
    undelivered: Words
    refused: Words
    busy: Words
    reports_by: Source
    own_ids: bool = False  # the vendor knows messages by our ids
    price: tuple[str, str] | None = None
    tells_time: bool = True  # when the handset got it


VENDOR_WORDS: Mapping[str, VendorWords] = {
    "jst": VendorWords(
        accepted=(None, "success"),
        delivered=(None, "DELIVRD"),
        undelivered=(None, "UNDELIV"),
        refused=(None, "error; Invalid sender id"),
        busy=(None, "error; Service temporarily unavailable, please try again later"),
        reports_by="poll",
    ),
    "dinisoft": VendorWords(
        accepted=("0", "ACCEPTD"),
        delivered=("0", "DELIVRD"),
        undelivered=("0", "UNDELIV"),
        refused=("1", "REJECTD"),
        busy=("101", "REJECTD"),
        reports_by="poll",
    ),
    "server2sms": VendorWords(
        accepted=("1", "OK"),
        delivered=("0", "delivered"),
        undelivered=("2/101", "unknown subscriber"),
        refused=("11", "Invalid message data."),
        busy=("24", "Service temporarily not available."),
        reports_by="callback",
        own_ids=True,
    ),
    "rajasms": VendorWords(
        accepted=("10", "success"),
        delivered=("3", "Delivered Success"),
        undelivered=("4", "Delivered Error"),
        refused=("70", "Invalid Message"),
        busy=("90", "System Error"),
        reports_by="callback",
        price=("320", "IDR"),
        tells_time=False,
    ),
}


def ended_item(begun: Submission, end: Status, ttl: int, day: str, random: Random) -> Item:
    """Return the item of a batch of one as it is when the message has ended.

    `begun` is as it was accepted, `end` delivered, undelivered, rejected or expired.
    """
    ending = _Ending(begun, random)
    ended = replace(
        ending.end_as(end),
        due=None,
        seed=None,  # with it the text of a code is gone
        sealed=None,
    )
    item = submission_item(ended, ttl, day)
    item["result"] = json_attribute(ended.result)
    item["claim"] = {"S": random.randbytes(8).hex()}
    if ended.refused:
        item["refused"] = {"S": ",".join(ended.refused)}
    if end is Status.DELIVERED and ending.words.tells_time:
        item["done"] = number_attribute(ending.at // 1000)
    return item


class _Ending:
    """A submission's steps after it was accepted; `at` is the present, epoch milliseconds."""

    def __init__(self, begun: Submission, random: Random) -> None:
        self.words, self.at = VENDOR_WORDS[begun.vendor], begun.created
        self._begun, self._random = begun, random
        self._steps, self._attempt, self._changed = list(begun.timeline), 0, begun.changed

    def end_as(self, end: Status) -> Submission:
        """Add the steps to the end; return the submission as it is then."""
        refused: tuple[str, ...] = ()
        if end is Status.EXPIRED:
            self._try_in_vain()
            result = _refusal(VerdictLetter.RETRY, self.words.busy)
        elif end is Status.REJECTED:
            self._call(end, self.words.refused)
            result, refused = _refusal(VerdictLetter.REFUSED, self.words.refused), (self._vendor,)
        else:
            self._call(Status.SUBMITTED, self.words.accepted)
            words = self.words.delivered if end is Status.DELIVERED else self.words.undelivered
            self._step(self._random.uniform(2, 90), end, self.words.reports_by, words)
            result = SubmissionResult(
                own_ids=self.words.own_ids,
                vendor_id=None if self.words.own_ids else f"9{self._random.randrange(10**12):012}",
                price=self.words.price,
            )
        return replace(
            self._begun,
            status=end,
            attempt=self._attempt,
            changed=self._changed,
            result=result,
            timeline=tuple(self._steps),
            refused=refused,
        )

    @property
    def _vendor(self) -> str:
        return self._begun.vendor

    def _try_in_vain(self) -> None:
        """Call again and again, until the next pause would outlast the validity."""
        pause = FIRST_PAUSE_SECONDS
        while self.at // 1000 + pause < self._begun.expires:
            self._call(Status.ACCEPTED, self.words.busy)
            self.at += int(pause * self._random.uniform(500, 1000))
            pause = min(2 * pause, MAX_PAUSE_SECONDS)
        self._call(Status.EXPIRED, self.words.busy)

    def _call(self, status: Status, words: Words) -> None:
        self._step(self._random.uniform(0.04, 0.4), Status.SUBMITTING, "dispatch", (None, None))
        self._attempt += 1
        self._step(self._random.uniform(0.1, 0.9), status, "dispatch", words)
        self._changed = self.at // 1000

    def _step(self, after: float, status: Status, source: Source, words: Words) -> None:
        self.at += int(after * 1000)
        attempt = 0 if status is Status.SUBMITTING else self._attempt  # as dispatch writes it
        self._steps.append(TimelineEntry(self.at, status, source, self._vendor, attempt, *words))


def _refusal(verdict: VerdictLetter, words: Words) -> SubmissionResult:
    return SubmissionResult(verdicts=verdict, details={ALL_MESSAGES: (*words, None)})
