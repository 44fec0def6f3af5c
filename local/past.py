"""Traffic that never was: the messages and verifications of a past day, as the table has them.

Each is planned and built by the gateway's own code at its time in the past, then ended. A day is
always the same. Nothing is written here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import replace
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import NamedTuple

import msgspec
from ulid import ULID

from local.endings import VENDOR_WORDS, ended_item
from local.simulators.registry import vendor_number
from sms_gateway.config.routes import Routes
from sms_gateway.config.vendor_accounts import Accounts
from sms_gateway.core.derived_keys import Secret
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import DAY_SECONDS, epoch_ms, epoch_seconds
from sms_gateway.messages.acceptance import build_batch
from sms_gateway.messages.planning import PlannedRecipient, plan_recipients
from sms_gateway.messages.request import Draft, parse_send_request
from sms_gateway.storage.items import Item, number_attribute
from sms_gateway.storage.models import CodeSpec
from sms_gateway.verifications.model import Details, Verification
from sms_gateway.verifications.repository import verification_item
from sms_gateway.verifications.request import VerificationRequest, parse_verification

RETENTION_SECONDS = 90 * DAY_SECONDS  # the default of RetentionDays
HOURS = (1, 1, 1, 1, 1, 1, 2, 4, 8, 10, 10, 9, 8, 8, 9, 10, 10, 9, 7, 6, 5, 4, 3, 2)  # how busy
QUIET_MINUTES = 15  # at the end of each hour: what began has ended before the day has
ENDS = {Status.DELIVERED: 90, Status.UNDELIVERED: 6, Status.REJECTED: 4}
CODE_ENDS = {Status.DELIVERED: 88, Status.UNDELIVERED: 6, Status.EXPIRED: 6}
HUNDREDS = 9  # of numbers at each vendor: server2sms has no more that no subscriber has
FAILING = 97  # of a hundred: it ends with 98, to which the simulators deliver nothing either
ODD_ENDINGS = 10  # the last of a hundred, which mean something to the simulators


class Sender(NamedTuple):
    """A tenant, its messages a day, and what it says: vendor, category, text."""

    tenant: str
    a_day: int
    says: Sequence[tuple[str, str, str]]


BANK = Sender("bank", 30, (("dinisoft", "otp", "Your made-up bank's code is {code}"),))
SENDERS = (
    Sender(
        "shop",
        60,
        (
            ("jst", "transactional", "Dear Asha, your order A-{n} is on its way."),
            ("dinisoft", "transactional", "Made-up shop: parcel {n} waits for you."),
            ("rajasms", "promotional", "Made-up shop: {n} tins of made-up tea at half price."),
        ),
    ),
    Sender(
        "clinic",
        25,
        (
            ("server2sms", "transactional", "Made-up clinic: we expect you in room {n}."),
            ("rajasms", "transactional", "Made-up clinic: your visit {n} is a day later."),
        ),
    ),
    BANK,
)
TENANTS = tuple(one.tenant for one in SENDERS)


class Made(NamedTuple):
    """The items of an accepted message, the last of which accepts it."""

    tenant: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class PastTraffic:
    """What the gateway goes by, the ids of the tenants' keys, and the stack's message key."""

    accounts: Accounts
    routes: Routes
    key_ids: Mapping[str, str]
    message_key: Secret

    def day(self, day: date) -> Iterator[Made]:
        """Yield what was sent on a day, in the order of time.

        What no vendor would carry now, by the routes and accounts, is left out.
        """
        random = Random(f"made up: {day}")  # noqa: S311 - no secret, and the same each time
        moments = [(_moment(day, random), one) for one in SENDERS for _ in range(one.a_day)]
        for at, sender in sorted(moments, key=lambda moment: moment[0]):
            own = Random(random.random())  # noqa: S311 - what is left out changes nothing else
            items = (self._code if sender is BANK else self._message)(sender, at, own)
            if items:
                yield Made(sender.tenant, items)

    def _message(self, sender: Sender, at: datetime, random: Random) -> tuple[Item, ...]:
        vendor, category, text = random.choice(sender.says)
        end = _drawn(ENDS, random)
        said = text.format(n=random.randrange(100, 1000))
        body = {"to": _number(vendor, end, random), "text": said, "category": category}
        (draft,) = parse_send_request(json.dumps(body).encode())
        planned = self._planned(draft, at)
        if planned is None:
            return ()
        return (self._ended(sender, planned, end, at, _identifier(at, random), random),)

    def _code(self, sender: Sender, at: datetime, random: Random) -> tuple[Item, ...]:
        """Return a verification and its message."""
        vendor, _, text = random.choice(sender.says)
        end = _drawn(CODE_ENDS, random)
        body = {"to": _number(vendor, end, random), "text": text}
        request = parse_verification(json.dumps(body).encode())
        planned = self._planned(request.draft, at)
        if planned is None:
            return ()
        spec = CodeSpec(mask=request.mask, ttl=request.ttl, nonce=random.randbytes(16).hex())
        content = msgspec.structs.replace(planned.content, text=request.text, code_spec=spec)
        identifier = _identifier(at, random)
        message = self._ended(
            sender, replace(planned, content=content), end, at, identifier, random
        )
        checks = random.choice((1, 1, 1, 1, 2, 0, request.max_checks))
        verification = self._verification(
            identifier, sender.tenant, request, content.to, at, random
        )
        if end is Status.DELIVERED:
            verification = replace(verification, version=checks, checks=checks)
        item = verification_item(verification, int(message["ttl"]["N"]))
        if 0 < verification.checks < request.max_checks:
            item["approved"] = number_attribute(epoch_seconds(at) + random.randrange(100, 250))
        return _without_events(item, at), message

    def _verification(
        self,
        identifier: str,
        tenant: str,
        request: VerificationRequest,
        to: str,
        at: datetime,
        random: Random,
    ) -> Verification:
        digest = random.randbytes(32).hex()  # of no code: it is too late for a check
        return Verification(
            id=identifier,
            tenant=tenant,
            details=Details(to=to, mask=request.mask, max_checks=request.max_checks, digest=digest),
            expires=epoch_seconds(at) + request.ttl,
            key_id=self.key_ids[tenant],
        )

    def _planned(self, draft: Draft, at: datetime) -> PlannedRecipient | None:
        accepted, _ = plan_recipients([draft], at, self.accounts, self.routes, per_recipient=True)
        return next((one for one in accepted if one.vendors[0] in VENDOR_WORDS), None)

    def _ended(
        self,
        sender: Sender,
        planned: PlannedRecipient,
        end: Status,
        at: datetime,
        identifier: str,
        random: Random,
    ) -> Item:
        batch = build_batch(
            sender.tenant, identifier, [planned], RETENTION_SECONDS, self.message_key
        )
        begun = replace(batch.submissions[0], key_id=self.key_ids[sender.tenant])
        ttl, day = int(batch.head["ttl"]["N"]), at.date().isoformat()
        return _without_events(ended_item(begun, end, ttl, day, random), at)


def _moment(day: date, random: Random) -> datetime:
    hour = _drawn(dict(enumerate(HOURS)), random)
    after = timedelta(milliseconds=random.randrange((60 - QUIET_MINUTES) * 60_000))
    return datetime.combine(day, time(hour), UTC) + after


def _drawn[Chosen](weights: Mapping[Chosen, int], random: Random) -> Chosen:
    return random.choices([*weights], [*weights.values()])[0]


def _number(vendor: str, end: Status, random: Random) -> str:
    last = FAILING if end is Status.UNDELIVERED else random.randrange(100 - ODD_ENDINGS)
    return vendor_number(vendor, random.randrange(HUNDREDS) * 100 + last)


def _identifier(at: datetime, random: Random) -> str:
    return str(ULID.from_bytes(epoch_ms(at).to_bytes(6) + random.randbytes(10)))


def _without_events(item: Item, at: datetime) -> Item:
    """Mark an item as one whose events were told: nobody shall hear of the past now."""
    return {**item, "restored": number_attribute(epoch_seconds(at))}
