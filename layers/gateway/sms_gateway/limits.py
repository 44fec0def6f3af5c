"""How many codes a number gets in a while, for each tenant: nobody must be able to pump codes."""

import os
import secrets

from sms_gateway import table
from sms_gateway.observe import count
from sms_gateway.problems import TooMany

TRIES = 5  # requests for one number at the same time that are sorted out


def take(tenant: str, number: str, now: int) -> None:
    """Counts a send (epoch seconds) to a number, of which only the keyed hash is known here.
    Raises TooMany when there were VERIFICATION_SENDS in the last VERIFICATION_WINDOW seconds."""
    most, window = int(os.environ["VERIFICATION_SENDS"]), int(os.environ["VERIFICATION_WINDOW"])
    place, claim = f"SENDS#{tenant}#{number}", secrets.token_hex(8)
    for _ in range(TRIES):
        times, was = table.sends(place)
        recent = [one for one in times if one > now - window]
        if len(recent) >= most:
            raise _too_many(most, window, recent[-most] + window - now)
        if table.put_sends(place, [*recent, now], claim, was, now + window):
            return
    raise _too_many(most, window, 1)


def _too_many(most: int, window: int, wait: int) -> TooMany:
    count("CodesRefused")
    return TooMany(
        f"A number gets {most} codes in {window} seconds: wait, or let its owner try the last one.",
        slug="too-many-codes",
        headers={"Retry-After": str(max(1, wait))},
    )
