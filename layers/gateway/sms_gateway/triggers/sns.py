"""A notification of the topic: a CloudWatch alarm goes to the numbers on call as a short text, any
other message to the numbers in its attribute `to`."""

from collections.abc import Mapping
from typing import Any

import msgspec

from sms_gateway.core.problems import Invalid
from sms_gateway.triggers.alarm_text import Alarm, alarm_of, shortened
from sms_gateway.triggers.request import Ask, encoded, known
from sms_gateway.triggers.settings import Sources

FIELDS = ("from", "category", "vendor", "reference", "template_id")  # of a send, as attributes


def read(notification: Mapping[str, Any], sources: Sources) -> Ask:
    """What `Sns` of a record of Lambda's event asks for. Raises Invalid that says what is wrong."""
    message, key = str(notification.get("Message", "")), f"topic/{notification['MessageId']}"
    alarm = alarm_of(message)
    if alarm is not None:
        return _alarm(alarm, sources, key)
    source = known(
        "topic", "messages", {"messages": sources.topic.messages} if sources.topic.messages else {}
    )
    attributes = notification.get("MessageAttributes") or {}
    body: dict[str, Any] = {"to": _numbers(attributes), "text": message}
    for name in FIELDS:
        if name in attributes:
            body[name] = _text(attributes, name)
    return Ask(source, encoded(body), key)


def _alarm(alarm: Alarm, sources: Sources, key: str) -> Ask:
    source = known(
        "topic", "alarms", {"alarms": sources.topic.alarms} if sources.topic.alarms else {}
    )
    return Ask(source, encoded({"to": source.to, "text": shortened(alarm, source.defaults)}), key)


def _numbers(attributes: Mapping[str, Any]) -> list[str]:
    """The numbers of `to`: a String with commas between them, or a String.Array."""
    if "to" not in attributes:
        raise Invalid(
            "The message is no CloudWatch alarm and has no attribute `to` with numbers.",
            slug="no-recipient",
        )
    written = _text(attributes, "to")
    if not written.lstrip().startswith("["):
        return [one.strip() for one in written.split(",")]
    try:
        return msgspec.json.decode(written, type=list[str])
    except msgspec.DecodeError:
        raise Invalid("The attribute `to` is no array of texts.", pointer="/to") from None


def _text(attributes: Mapping[str, Any], name: str) -> str:
    given = attributes[name]
    if given.get("Type") not in ("String", "String.Array"):
        raise Invalid(f"The attribute `{name}` must be a String.", pointer=f"/{name}")
    return str(given["Value"])
