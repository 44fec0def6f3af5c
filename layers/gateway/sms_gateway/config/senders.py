"""Which senders a tenant may name, beside those of the accounts themselves."""

from collections.abc import Collection, Mapping
from typing import Annotated

import msgspec

from sms_gateway.config.cached_setting import CachedSetting
from sms_gateway.config.stored_settings import fetch_setting

NO_SENDERS = "{}"
EVERY = "*"  # as a tenant: all of them; as a sender: any

Tenant = Annotated[str, msgspec.Meta(pattern=r"^(\*|[a-z0-9][a-z0-9-]{0,62})\Z")]
Sender = Annotated[str, msgspec.Meta(pattern=r"^(\*|[ -~]{1,16})\Z")]
AllowedSenders = Mapping[str, Collection[str]]


def parse_senders(text: str) -> AllowedSenders:
    """Parse JSON: lists of senders by tenant. Raises ValueError with what is wrong."""
    try:
        return msgspec.json.decode(text, type=dict[Tenant, list[Sender]])
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None


def may_use(tenant: str, sender: str) -> bool:
    """Return whether the operator lets a tenant use a sender.

    Raises ServiceUnavailableError when the setting is not valid.
    """
    senders = _senders.get()
    listed = {*senders.get(tenant, ()), *senders.get(EVERY, ())}
    return EVERY in listed or plain(sender) in map(plain, listed)


def plain(sender: str) -> str:
    """Return a sender as it is compared: a number without its plus."""
    return sender.removeprefix("+")


_senders = CachedSetting(
    "senders", lambda: fetch_setting("senders"), parse_senders, default=NO_SENDERS
)
