"""The sources that may send by a trigger, with each one's tenant and defaults.

The setting `sources` has a part for each trigger. A source that is not in it can't send:

    {"bus": {"com.acme.orders": {"tenant": "acme", "accounts": ["210987654321"]}},
     "queue": {"default": {"tenant": "acme", "defaults": {"from": "ACME"}}},
     "topic": {"alarms": {"tenant": "ops", "to": ["+447700900001"]}, "messages": {"tenant": "ops"}},
     "cognito": {"eu-west-1_abc": {"tenant": "shop", "text": "Your code is {code}"}},
     "direct": {"tenant": "acme"}}
"""

from typing import Annotated

import msgspec

from sms_gateway.config.cached_setting import CachedSetting
from sms_gateway.config.stored_settings import fetch_setting
from sms_gateway.messages.request import Options, Recipient
from sms_gateway.sms.phone_numbers import NumberError, is_region, to_e164
from sms_gateway.vendors.registry import VENDORS, is_vendor_name

Tenant = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}\Z")]
AccountId = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{12}\Z")]
Wording = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
NO_SOURCES = "{}"
CODE, USERNAME = "{code}", "{username}"


class TriggerSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A source's tenant; `defaults` fill in what its sends leave out."""

    tenant: Tenant
    defaults: Options | None = None

    def __post_init__(self) -> None:
        given = self.defaults
        if given and given.vendor is not None and not is_vendor_name(given.vendor):
            raise ValueError(f"{given.vendor} is no vendor's name: {', '.join(VENDORS)} are some")
        if given and given.region is not None and not is_region(given.region):
            raise ValueError(f"unknown region {given.region}; it is a country's of ISO 3166")
        if given and given.send_at is not None:
            raise ValueError("send_at can't be a default: it is a moment")


class BusSource(TriggerSource, frozen=True, kw_only=True):
    """Events of one `source`.

    An event's sender chooses that name, but not the event's account: accounts other than the
    gateway's own must be named.
    """

    accounts: list[AccountId] = []


class AlarmSource(TriggerSource, frozen=True, kw_only=True):
    """CloudWatch alarms, and the numbers on call."""

    to: Annotated[list[Recipient], msgspec.Meta(min_length=1, max_length=100)]

    def __post_init__(self) -> None:
        super().__post_init__()
        region = self.defaults.region if self.defaults else None
        for index, number in enumerate(self.to):
            try:
                to_e164(number, region)
            except NumberError as error:
                raise ValueError(f"number {index} of `to`: {error.detail}") from None


class PoolSource(TriggerSource, frozen=True, kw_only=True):
    """A Cognito user pool: its text, and others by `triggerSource`."""

    text: Wording = "Your code is {code}"
    texts: dict[str, Wording] = {}

    def __post_init__(self) -> None:
        super().__post_init__()
        for wording in (self.text, *self.texts.values()):
            if CODE not in wording:
                raise ValueError(f"each text of a user pool needs {CODE}")


class TopicSources(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The topic's sources: alarms and other messages."""

    alarms: AlarmSource | None = None
    messages: TriggerSource | None = None


class TriggerSources(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All sources, by trigger and name; an invocation can't name one, so `direct` is one."""

    bus: dict[str, BusSource] = {}
    queue: dict[str, TriggerSource] = {}
    topic: TopicSources = TopicSources()
    cognito: dict[str, PoolSource] = {}
    direct: TriggerSource | None = None

    @classmethod
    def parse(cls, written: str) -> "TriggerSources":
        """Parse sources from JSON. Raise ValueError that says what is wrong."""
        try:
            return msgspec.json.decode(written, type=cls)
        except msgspec.DecodeError as error:
            raise ValueError(str(error)) from None


def sources() -> TriggerSources:
    """Return the setting's sources. Raise ServiceUnavailableError when they are not valid."""
    return _sources.get()


_sources = CachedSetting(
    "sources", lambda: fetch_setting("sources"), TriggerSources.parse, default=NO_SOURCES
)
