"""Parse a notification of the topic.

A CloudWatch alarm goes to the numbers on call as a short text, any other message to the numbers in
its attribute `to`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.triggers.alarm_text import Alarm, alarm_text, parse_alarm
from sms_gateway.triggers.request import TriggeredSend, encode_body, find_source
from sms_gateway.triggers.settings import TriggerSources

FIELDS = (
    "region",
    "from",
    "category",
    "vendor",
    "reference",
    "template_id",
)  # of a send, as attributes


def parse(notification: Mapping[str, Any], sources: TriggerSources) -> TriggeredSend:
    """Parse `Sns` of a record of Lambda's event. Raise InvalidRequestError."""
    message, key = str(notification.get("Message", "")), f"topic/{notification['MessageId']}"
    alarm = parse_alarm(message)
    if alarm is not None:
        return _alarm_send(alarm, sources, key)
    source = find_source(
        "topic", "messages", {"messages": sources.topic.messages} if sources.topic.messages else {}
    )
    attributes = notification.get("MessageAttributes") or {}
    body: dict[str, Any] = {"to": _numbers(attributes), "text": message}
    for name in FIELDS:
        if name in attributes:
            body[name] = _text(attributes, name)
    return TriggeredSend(source, encode_body(body), key)


def _alarm_send(alarm: Alarm, sources: TriggerSources, key: str) -> TriggeredSend:
    source = find_source(
        "topic", "alarms", {"alarms": sources.topic.alarms} if sources.topic.alarms else {}
    )
    return TriggeredSend(
        source, encode_body({"to": source.to, "text": alarm_text(alarm, source.defaults)}), key
    )


def _numbers(attributes: Mapping[str, Any]) -> list[str]:
    """Read the numbers of `to`: a String with commas between them, or a String.Array."""
    if "to" not in attributes:
        raise InvalidRequestError(
            "The message is no CloudWatch alarm and has no attribute `to` with numbers.",
            slug="no-recipient",
        )
    written = _text(attributes, "to").removeprefix("\ufeff")
    if not written.lstrip().startswith("["):
        numbers = (number.strip() for number in written.split(","))
        return [number for number in numbers if number]
    try:
        return msgspec.json.decode(written, type=list[str])
    except msgspec.DecodeError:
        raise InvalidRequestError(
            "The attribute `to` is no array of texts.", pointer="/to"
        ) from None


def _text(attributes: Mapping[str, Any], name: str) -> str:
    given = attributes[name]
    if given.get("Type") not in ("String", "String.Array"):
        raise InvalidRequestError(f"The attribute `{name}` must be a String.", pointer=f"/{name}")
    return str(given["Value"])
