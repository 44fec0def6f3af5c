"""The door to this package: a description's text becomes a class of adapters.

A description's settings are fields as those of an adapter in Python: secrets are hidden in its
`repr`, and known where a vendor repeats them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import field, fields, make_dataclass
from typing import Any, Literal
from zoneinfo import ZoneInfo

from msgspec import UNSET

from sms_gateway.vendors.adapter import Adapter, Capabilities
from sms_gateway.vendors.declared.adapter import Declared
from sms_gateway.vendors.declared.description import Description, Setting
from sms_gateway.vendors.declared.reading import parse_description
from sms_gateway.vendors.declared.requests import used
from sms_gateway.vendors.types import Category

TYPES: Mapping[str, Any] = {"switch": bool, "by_category": Mapping[Category, str]}


def declare(written: bytes) -> type[Declared]:
    """Return the class of a description's accounts. Raises DescriptionError."""
    return adapter_class(parse_description(written))


def capabilities_of(description: Description) -> Capabilities:
    """Return what a vendor can do, which follows from what its requests use."""
    send = description.send
    each = set(used(send.request, repeated=True))
    once = set(used(send.request, repeated=False))
    said = each | once
    readings = [part.answer for part in (description.poll, description.callback) if part]
    return Capabilities(
        bulk="to" in {_plain(name) for name in each},
        personalised="text" in each and "text" not in once,
        flash="flash" in said,
        schedule="send_at" in said,
        unicode="ucs2" in send.encodings,
        filter_dnd="filter_dnd" in said,
        template_id="template_id" in said,
        receipts_poll=description.poll is not None,
        receipts_callback=description.callback is not None,
        own_reference="reference" in said and any(one.reference is not None for one in readings),
    )


def _plain(name: str) -> str:
    return name.removesuffix("_digits").removesuffix("_national")


def adapter_class(description: Description) -> type[Declared]:
    """Return the class of a checked description's accounts."""
    capabilities = capabilities_of(description)
    zone = description.balance.answer.expires if description.balance else None
    constants = {
        "name": description.name,
        "title": description.title,
        "capabilities": capabilities,
        "unregistered_address": description.unregistered_address,
        "description": description,
        "settings": {one.name: one for one in description.settings},
        "together": capabilities.bulk,
        "zone": ZoneInfo(zone.zone if zone else "UTC"),
    }
    return make_dataclass(
        description.name.capitalize(),
        [*_shared(description.defaults), *map(_field, description.settings)],
        bases=(Declared,),
        namespace=constants,
        module=__name__,
        frozen=True,
        slots=True,
        kw_only=True,
    )


def _shared(defaults: Mapping[str, object]) -> Iterable[tuple[str, Any, Any]]:
    types = {one.name: one.type for one in fields(Adapter)}
    return [(name, types[name], field(default=value)) for name, value in defaults.items()]


def _field(setting: Setting) -> tuple[str, Any, Any]:
    made: Any = TYPES.get(setting.kind, str)
    if setting.kind == "choice":
        made = Literal[tuple(setting.choices)]
    options: dict[str, Any] = {"repr": setting.kind != "secret"}
    if setting.optional:
        return setting.name, made | None, field(default=None, **options)
    if setting.default is not UNSET:
        value = setting.default
        if isinstance(value, dict):
            return setting.name, made, field(default_factory=lambda: dict(value), **options)
        options["default"] = value
    return setting.name, made, field(**options)
