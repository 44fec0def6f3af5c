"""A CloudWatch alarm as a text of at most two segments.

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
    """What a text tells of an alarm."""

    name: str = msgspec.field(name="AlarmName")
    state: str = msgspec.field(name="NewStateValue")
    reason: str = msgspec.field(name="NewStateReason")


def parse_alarm(message: str) -> Alarm | None:
    """The alarm that a message of SNS tells of; None when it tells of something else."""
    try:
        return msgspec.json.decode(message, type=Alarm)
    except msgspec.DecodeError:
        return None


def alarm_text(alarm: Alarm, defaults: Options | None = None) -> str:
    """State, name and reason, the end cut off where as the source's defaults have it sent it would
    take more than two segments, or than they allow. No alarm is lost for a character in it."""
    wanted = defaults or Options()
    most = min(MAX_SEGMENTS, int(wanted.max_segments or MAX_SEGMENTS))
    name = (
        alarm.name
        if len(alarm.name) <= MAX_NAME_LENGTH
        else alarm.name[:MAX_NAME_LENGTH] + ELLIPSIS
    )
    reason = " ".join(CONTROL.sub(" ", alarm.reason).split())
    text = CONTROL.sub(" ", f"{alarm.state} {name}: {reason}")
    if wanted.encoding == "unicode":
        return cut_to_segments(text, most, "ucs2")
    return cut_to_segments(_plain(text, certainly=wanted.encoding == "gsm7"), most)


def cut_to_segments(text: str, most: int = MAX_SEGMENTS, encoding: Encoding | None = None) -> str:
    """The text, or the longest beginning of it that with three dots takes `most` segments."""
    encoding = encoding or encoding_of(text)  # of the whole: a beginning may need less, never more
    if segments(text, encoding) <= most:
        return text
    low, high = 0, len(text)
    while high - low > 1:
        middle = (low + high) // 2
        if segments(text[:middle] + ELLIPSIS, encoding) <= most:
            low = middle
        else:
            high = middle
    return text[:low].rstrip() + ELLIPSIS


def _plain(text: str, *, certainly: bool) -> str:
    """With look-alikes for what would halve the room, where each such character has one; or
    `certainly`, with question marks for the others."""
    written, without = to_gsm7(text)
    while without and certainly:
        text = "".join("?" if one in without else one for one in normalize("NFC", text))
        written, without = to_gsm7(text)
    return text if without else written
