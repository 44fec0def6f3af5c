"""What becomes of an item of a restored table: as it was, settled, or left out. No I/O.

Nothing that comes back may be sent: it may have been, in the time that is lost. ADR 0031 says why
each kind is treated as it is.
"""

from enum import StrEnum

import msgspec

from sms_gateway.campaigns.model import CampaignState
from sms_gateway.core.problems import ConflictError
from sms_gateway.core.status import Status
from sms_gateway.core.ulids import is_ulid
from sms_gateway.core.value_object import ValueObject
from sms_gateway.storage.idempotency_keys import LOST
from sms_gateway.storage.items import Item, json_attribute, number_attribute, timeline_attribute
from sms_gateway.storage.models import SubmissionResult, TimelineEntry
from sms_gateway.verifications.model import Details

MARGIN_SECONDS = 600  # between this machine's clock and the scheduler's
ACCESS = ("KEYS", "HOOKS#", "HOOK#")
# beside the partitions of ULIDs
LASTING = (
    *("REQUEST#", "V#", "CAMPAIGNS", "SETTINGS", "ACCOUNTS", "AUDIT"),
    *("DESCRIPTION#", "REPORTS#"),
)
OPEN_CAMPAIGN = (
    CampaignState.WAITING,
    CampaignState.READING,
    CampaignState.PAUSED,
    CampaignState.FAILED,
)


class Fate(StrEnum):
    """What becomes of an item, as `smsgw restore` counts it."""

    AS_IT_WAS = "come back as they were"
    UNKNOWN = "come back as unknown: they may have been sent since"
    CANCELLED = "come back as cancelled: scheduled, perhaps cancelled since"
    CAMPAIGN = "campaigns come back as cancelled: their rows may have been sent since"
    VERIFICATION = "verifications come back without checks: perhaps approved since"
    REQUEST = "idempotency keys come back as undecided: their request was at work"
    ACCESS = "keys and webhooks are left out: perhaps revoked since (--keep-access)"
    PASSING = "are left out: counters, caches and what is past its time"


ENDS = {
    Fate.CANCELLED: (Status.CANCELLED, "restored; it never left: send it again if wanted"),
    Fate.UNKNOWN: (Status.UNKNOWN, "restored; it may have been sent since"),
}


class Restore(ValueObject, frozen=True):
    """A restore as of `at`, settled at `now`, both epoch seconds."""

    at: int
    now: int
    keep_scheduled: bool = False
    keep_access: bool = False

    def settle(
        self, item: Item, *, accepted: bool = True, adrift: bool = False
    ) -> tuple[Fate, Item | None]:
        """Return an item's fate and the item to write; None where it is left out.

        `accepted` says of an idempotency key whether its batch was accepted, `adrift` of one of
        several messages that the stack still has its submission, which may have sent it since.
        """
        partition, sort = item["pk"]["S"], item["sk"]["S"]
        if "ttl" in item and int(item["ttl"]["N"]) <= self.now:
            return Fate.PASSING, None
        if partition.startswith(ACCESS):
            return (Fate.AS_IT_WAS, item) if self.keep_access else (Fate.ACCESS, None)
        if is_ulid(partition):
            return self._settle_tenants(item, sort, adrift=adrift)
        if partition.startswith("REQUEST#") and "answer" in item and not accepted:
            return Fate.REQUEST, {**item, "digest": {"S": LOST}}
        if partition.startswith(LASTING):
            return Fate.AS_IT_WAS, item
        return Fate.PASSING, None

    def _settle_tenants(self, item: Item, sort: str, *, adrift: bool) -> tuple[Fate, Item]:
        """Settle a batch, a message, a submission, a verification, a campaign or a chunk of it.

        What stays as it was is marked: its arrival in the stream is no event.
        """
        settled = None
        if sort == "C":
            settled = self._campaign(item)
        elif sort == "V":
            settled = self._verification(item)
        elif "status" in item:
            settled = self._message(item)
        elif adrift:
            settled = self._ended(item, Fate.UNKNOWN)
        return settled or (Fate.AS_IT_WAS, {**item, "restored": number_attribute(self.at)})

    def _message(self, item: Item) -> tuple[Fate, Item] | None:
        status = Status(item["status"]["S"])
        if status.final or (status is Status.SUBMITTED and _taken_whole(item)):
            return None
        ahead = status is Status.SCHEDULED and (
            int(item.get("due", {"N": "0"})["N"]) > self.now + MARGIN_SECONDS
        )
        if ahead and self.keep_scheduled:
            return None
        return self._ended(item, Fate.CANCELLED if ahead else Fate.UNKNOWN)

    def _ended(self, item: Item, fate: Fate) -> tuple[Fate, Item]:
        new, note = ENDS[fate]
        entry = TimelineEntry(
            self.now * 1000 + 999,  # the second's end: behind what was stored within it
            new,
            "operator",
            item.get("vendor", {}).get("S"),
            int(item.get("attempt", {"N": "0"})["N"]),
            note=note,
        )
        steps = [*item.get("timeline", {"L": []})["L"], *timeline_attribute([entry])["L"]]
        changes: Item = {"status": {"S": str(new)}, "timeline": {"L": steps}}
        if "changed" in item:
            changes["changed"] = number_attribute(self.now)
        return fate, _without_check(item) | changes

    def _campaign(self, item: Item) -> tuple[Fate, Item] | None:
        if CampaignState(item["state"]["S"]) not in OPEN_CAMPAIGN:
            return None
        problem = ConflictError(
            "The gateway was restored: rows behind those counted may have been sent. Upload what "
            "is still to be sent under another name.",
            slug="restored",
        )
        changes = {
            "state": {"S": str(CampaignState.CANCELLED)},
            "rows_left_to_cancel": number_attribute(0),
            "problem": json_attribute(problem.to_dict()),
            "restored": number_attribute(self.at),
        }
        return Fate.CAMPAIGN, _without_check(item) | changes

    def _verification(self, item: Item) -> tuple[Fate, Item] | None:
        if "approved" in item or int(item["expires"]["N"]) <= self.now:
            return None
        details = msgspec.json.decode(item["data"]["S"], type=Details)
        changes = {
            "checks": number_attribute(details.max_checks),
            "restored": number_attribute(self.at),
        }
        return Fate.VERIFICATION, {**item, **changes}


def _taken_whole(item: Item) -> bool:
    """Whether the vendor took all of it: nothing sends any of it again, and receipts are polled."""
    if "result" not in item or "in_doubt" in item:
        return False
    verdicts = msgspec.json.decode(item["result"]["S"], type=SubmissionResult).verdicts
    return set(verdicts) <= {"A"}


def _without_check(item: Item) -> Item:
    """Return an item that ended: off the due index, and without the text of an `otp`."""
    left = ("due", "shard", "sealed", "seed")
    return {name: value for name, value in item.items() if name not in left}
