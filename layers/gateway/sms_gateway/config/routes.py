"""Routes: the vendors for a number, by its longest matching prefix."""

from typing import Annotated

import msgspec

from sms_gateway.config.cached_setting import CachedSetting
from sms_gateway.config.stored_settings import fetch_setting
from sms_gateway.vendors.registry import VENDORS, is_vendor_name


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Vendors in order of preference for numbers with a prefix ("+" matches every number)."""

    prefix: Annotated[str, msgspec.Meta(pattern=r"^\+[0-9]{0,14}\Z")]
    vendors: Annotated[list[str], msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        for vendor in self.vendors:
            if not is_vendor_name(vendor):
                raise ValueError(f"{vendor} is no vendor's name: {', '.join(VENDORS)} are some")
        if len(set(self.vendors)) != len(self.vendors):
            raise ValueError(f"route {self.prefix} names a vendor twice")


class Routes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All routes."""

    routes: Annotated[list[Route], msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        prefixes = [route.prefix for route in self.routes]
        if len(set(prefixes)) != len(prefixes):
            raise ValueError("two routes have the same prefix")

    @classmethod
    def parse(cls, text: str) -> "Routes":
        """Parse JSON. Raises ValueError with what is wrong."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:
            raise ValueError(str(error)) from None

    def route(self, number: str) -> Route | None:
        """Find the route with the longest prefix of an E.164 number."""
        matching = [route for route in self.routes if number.startswith(route.prefix)]
        return max(matching, key=lambda route: len(route.prefix), default=None)


def default_routes() -> str:
    """Return the routes that apply while nobody set others, as JSON.

    Each vendor has its own country, and nobody the rest of the world: a leaked key reaches no more.
    """
    rows = [Route(vendor.prefix, [name]) for name, vendor in VENDORS.items()]
    return msgspec.json.encode(Routes(rows)).decode()


def routes() -> Routes:
    """Return the routes in use. Raises ServiceUnavailableError without valid ones."""
    return _routes.get()


_routes = CachedSetting(
    "routes", lambda: fetch_setting("routes"), Routes.parse, default=default_routes()
)
