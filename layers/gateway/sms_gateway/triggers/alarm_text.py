"""Render a CloudWatch alarm as a text of at most two segments.

Source: "Notify users on alarm changes" in the CloudWatch user guide; metric and composite alarms
have `AlarmName`, `NewStateValue` and `NewStateReason` in common.
"""

from typing import Final
from unicodedata import normalize

import msgspec

from sms_gateway.messages.request import Options
from sms_gateway.sms.encoding import CONTROL, encoding_of, segments
from sms_gateway.sms.transliteration import to_gsm7
from sms_gateway.vendors.types import Encoding

MAX_SEGMENTS: Final = 2
MAX_NAME_LENGTH: Final = 100  # characters of an alarm's name, so that its reason has room
ELLIPSIS: Final = "..."


class Alarm(msgspec.Struct, frozen=True):
    """The fields of an alarm that go into the text."""

    name: str = msgspec.field(name="AlarmName")
    state: str = msgspec.field(name="NewStateValue")
    reason: str = msgspec.field(name="NewStateReason")


def parse_alarm(message: str) -> Alarm | None:
    """Parse an alarm from a message of SNS; None when it is something else."""
    try:
        return msgspec.json.decode(message, type=Alarm)
    except msgspec.DecodeError:
        return None


def alarm_text(alarm: Alarm, defaults: Options | None = None) -> str:
    """Render state, name and reason in the encoding that the source's defaults ask for.

    Cut the end off where the text would take more than two segments, or than the defaults allow.
    """
    wanted = defaults or Options()
    limit = min(MAX_SEGMENTS, int(wanted.max_segments or MAX_SEGMENTS))
    name = (
        alarm.name
        if len(alarm.name) <= MAX_NAME_LENGTH
        else alarm.name[:MAX_NAME_LENGTH] + ELLIPSIS
    )
    reason = " ".join(CONTROL.sub(" ", alarm.reason).split())
    text = CONTROL.sub(" ", f"{alarm.state} {name}: {reason}")
    if wanted.encoding == "unicode":
        return cut_to_segments(text, limit, "ucs2")
    return cut_to_segments(_to_gsm7(text, force=wanted.encoding == "gsm7"), limit)


def cut_to_segments(text: str, limit: int = MAX_SEGMENTS, encoding: Encoding | None = None) -> str:
    """Cut a text to the longest beginning that with three dots takes `limit` segments."""
    encoding = encoding or encoding_of(text)  # of the whole: a beginning may need less, never more
    if segments(text, encoding) <= limit:
        return text
    low, high = 0, len(text)
    while high - low > 1:
        middle = (low + high) // 2
        if segments(text[:middle] + ELLIPSIS, encoding) <= limit:
            low = middle
        else:
            high = middle
    return text[:low].rstrip() + ELLIPSIS


def _to_gsm7(text: str, *, force: bool) -> str:
    """Transliterate to GSM 03.38 where each character has a look-alike.

    With `force` replace the characters without one by question marks.
    """
    transliterated, unmapped = to_gsm7(text)
    while unmapped and force:
        text = "".join("?" if char in unmapped else char for char in normalize("NFC", text))
        transliterated, unmapped = to_gsm7(text)
    return text if unmapped else transliterated
