"""A CloudWatch alarm as a text of at most two segments.

Source: "Notify users on alarm changes" in the CloudWatch user guide; metric and composite alarms
have `AlarmName`, `NewStateValue` and `NewStateReason` in common.
"""

from typing import Final

import msgspec

from sms_gateway.encoding import encoding_of, segments
from sms_gateway.transliteration import to_gsm7

MOST_SEGMENTS: Final = 2
LONGEST_NAME: Final = 100  # characters of an alarm's name, so that its reason has room
CUT: Final = "..."


class Alarm(msgspec.Struct, frozen=True):
    """What a text tells of an alarm."""

    name: str = msgspec.field(name="AlarmName")
    state: str = msgspec.field(name="NewStateValue")
    reason: str = msgspec.field(name="NewStateReason")


def alarm_of(message: str) -> Alarm | None:
    """The alarm that a message of SNS tells of; None when it tells of something else."""
    try:
        return msgspec.json.decode(message, type=Alarm)
    except msgspec.DecodeError:
        return None


def shortened(alarm: Alarm) -> str:
    """State, name and reason, the end cut off where it would take more than two segments."""
    name = alarm.name if len(alarm.name) <= LONGEST_NAME else alarm.name[:LONGEST_NAME] + CUT
    return cut(_plain(f"{alarm.state} {name}: {' '.join(alarm.reason.split())}"))


def cut(text: str, most: int = MOST_SEGMENTS) -> str:
    """The text, or the longest beginning of it that with three dots takes `most` segments."""
    encoding = encoding_of(text)  # that of the whole: a beginning may need less, never more
    if segments(text, encoding) <= most:
        return text
    low, high = 0, len(text)
    while high - low > 1:
        middle = (low + high) // 2
        if segments(text[:middle] + CUT, encoding) <= most:
            low = middle
        else:
            high = middle
    return text[:low].rstrip() + CUT


def _plain(text: str) -> str:
    """With look-alikes for what would halve the room, where each such character has one."""
    written, without = to_gsm7(text)
    return text if without else written
