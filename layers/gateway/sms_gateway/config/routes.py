"""Which vendor carries a message: by the longest prefix of its number."""

from typing import Annotated

import msgspec

from sms_gateway.config.cached_setting import CachedSetting, fetch_parameter
from sms_gateway.vendors.registry import VENDORS


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Vendors in order of preference for the numbers with a prefix ("+" is every number).
    `region` (ISO 3166 alpha-2) lets callers write national numbers."""

    prefix: Annotated[str, msgspec.Meta(pattern=r"^\+[0-9]{0,14}\Z")]
    vendors: Annotated[list[str], msgspec.Meta(min_length=1)]
    region: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}\Z")] | None = None

    def __post_init__(self) -> None:
        for vendor in self.vendors:
            if vendor not in VENDORS:
                raise ValueError(f"unknown vendor {vendor}; there are {', '.join(VENDORS)}")
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
    def parse(cls, written: str) -> "Routes":
        """Routes from JSON. Raises ValueError that says what is wrong."""
        try:
            return msgspec.json.decode(written, type=cls)
        except msgspec.DecodeError as error:
            raise ValueError(str(error)) from None

    def route(self, number: str) -> Route | None:
        """The route of an E.164 number: the one with the longest prefix."""
        fitting = [route for route in self.routes if number.startswith(route.prefix)]
        return max(fitting, key=lambda route: len(route.prefix), default=None)

    def regions(self, vendor: str | None = None) -> list[str]:
        """The regions whose national numbers are understood, of one vendor's routes or of all."""
        found = [
            route.region
            for route in self.routes
            if route.region and (vendor is None or vendor in route.vendors)
        ]
        return list(dict.fromkeys(found))


def routes() -> Routes:
    """The routes of the parameter. Raises Unavailable when it is missing or not valid."""
    return _routes.get()


_routes = CachedSetting("routes", "ROUTES_PARAMETER", fetch_parameter, Routes.parse)
