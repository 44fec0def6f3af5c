"""One-time codes: masks, codes, their hashes, and what state a verification is in. No I/O.

A code of ours is stored nowhere. A verification's message keeps a random nonce; the code is drawn
from HMAC(key, nonce and id) whenever it is needed, so that a worker that comes after a crash sends
the same one, and who reads the table alone learns nothing. A check compares keyed hashes.
"""

import hmac
import string
from collections.abc import Iterator, Mapping, Sequence
from copy import replace
from enum import StrEnum
from typing import Any

import msgspec

from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.storage.models import Recipe, message_id
from sms_gateway.vendors.adapter import Call, Outcome, Outgoing

CODE = "{code}"
LITERALS = "- "  # stand in a code as they are, and need not be typed
FEWEST, MOST = 4, 10  # drawn characters of a code
LONGEST_MASK = 20

# The mask's characters are server2sms's: vendor-docs, TokenMask.
ALPHABETS: Mapping[str, str] = {
    "#": string.digits,
    "A": string.ascii_uppercase,
    "N": string.ascii_uppercase + string.digits,
}
SYMBOLS: Mapping[str, str] = {"digits": "#", "letters": "A", "alphanumeric": "N"}


class State(StrEnum):
    """What a verification has come to."""

    PENDING = "pending"
    APPROVED = "approved"
    EXPIRED = "expired"
    EXHAUSTED = "exhausted"


class Given(msgspec.Struct, frozen=True, array_like=True):
    """The answer to a check that carried an Idempotency-Key; `body` is a keyed hash."""

    body: str
    state: State
    left: int


class Details(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What never changes. `vendor` made the code and alone can judge it; without one `digest` is
    the keyed hash of ours."""

    to: str
    mask: str
    max_checks: int
    case_sensitive: bool = False
    vendor: str | None = None
    digest: str | None = None
    reference: str | None = None


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """A verification: `id` is its message's batch. `expires` and `busy` are epoch seconds.

    `turn` counts the writes, each of which is conditional on it. `doubt` has the hashes of codes
    that a vendor was asked about without a known answer; `busy` is until when a check may be at
    work; `answers` are by the hash of their Idempotency-Keys.
    """

    id: str
    tenant: str
    details: Details
    expires: int
    turn: int = 0
    checks: int = 0
    approved: bool = False
    doubt: tuple[str, ...] = ()
    busy: int = 0
    answers: dict[str, Given] = {}
    claim: str = ""

    @property
    def left(self) -> int:
        """How many checks are left."""
        return max(0, self.details.max_checks - self.checks)

    @property
    def message_id(self) -> str:
        """The message that brings the code."""
        return message_id(self.id, 0)

    def state(self, now: int) -> State:
        """What it has come to by `now`, epoch seconds."""
        if self.approved:
            return State.APPROVED
        if not self.left and self.busy <= now:
            return State.EXHAUSTED
        return State.EXPIRED if self.expires <= now else State.PENDING

    def view(self, now: int) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": self.id,
            "to": self.details.to,
            "status": self.state(now),
            "expires_at": rfc3339(from_ms(self.expires * 1000)),
            "checks_left": self.left,
            "message_id": self.message_id,
            "reference": self.details.reference,
        }


def strange_characters(mask: str) -> list[str]:
    """The characters of a mask that mean nothing."""
    return [each for each in dict.fromkeys(mask) if each not in ALPHABETS and each not in LITERALS]


def drawn(mask: str) -> int:
    """How many characters of a mask are drawn."""
    return sum(symbol in ALPHABETS for symbol in mask)


def sample(mask: str) -> str:
    """A code of the right length and alphabet, to count segments with."""
    return "".join("0" if symbol in ALPHABETS else symbol for symbol in mask)


def rendered(text: str, code: str) -> str:
    """The text with the code in it."""
    return text.replace(CODE, code)


def code_of(recipe: Recipe, identifier: str, secret: bytes) -> str:
    """The code of a verification: each drawn character is uniform over its alphabet. Without
    `case_sensitive` letters are capitals."""
    subject = f"{identifier}/{recipe.nonce}"
    random = _stream(_key("code", secret), subject)
    return "".join(
        _drawn(_alphabet(symbol, recipe.case_sensitive), random) if symbol in ALPHABETS else symbol
        for symbol in recipe.mask
    )


def _alphabet(symbol: str, case_sensitive: bool) -> str:
    capitals = ALPHABETS[symbol]
    lower = "".join(letter.lower() for letter in capitals if letter.isalpha())
    return capitals + lower if case_sensitive else capitals


def _drawn(alphabet: str, random: Iterator[int]) -> str:
    """A letter by a random byte; bytes above the last whole multiple would prefer the first."""
    fair = 256 - 256 % len(alphabet)
    return alphabet[next(byte for byte in random if byte < fair) % len(alphabet)]


def _stream(key: bytes, subject: str) -> Iterator[int]:
    counter = 0
    while True:
        yield from hmac.digest(key, f"{subject}/{counter}".encode(), "sha256")
        counter += 1


def typed(written: str, mask: str, case_sensitive: bool) -> str | None:
    """What somebody typed in the form of the mask; None for what can't be a code of it. Spaces and
    hyphens don't matter, nor does case unless the code is case-sensitive."""
    bare = "".join(each for each in written if each not in LITERALS)
    if len(bare) != drawn(mask) or not (bare.isascii() and bare.isalnum()):
        return None
    letters = iter(bare if case_sensitive else bare.upper())
    return "".join(next(letters) if symbol in ALPHABETS else symbol for symbol in mask)


def digest_of(code: str, identifier: str, secret: bytes) -> str:
    """What is kept of a code: HMAC-SHA256 in hex, different for each verification."""
    return _mac("digest", f"{identifier}/{code}", secret)


def same(digest: str, other: str) -> bool:
    """Whether two digests are equal, in constant time."""
    return hmac.compare_digest(digest, other)


def number_digest(tenant: str, number: str, secret: bytes) -> str:
    """What is kept of a number whose sends are counted; numbers are few enough to be guessed, so
    that only a keyed hash hides them."""
    return _mac("number", f"{tenant}/{number}", secret)


def body_digest(body: bytes, identifier: str, secret: bytes) -> str:
    """What tells one check's body from another's: keyed, since it holds a code."""
    return hmac.digest(_key("body", secret), identifier.encode() + b"/" + body, "sha256").hex()


def _mac(label: str, subject: str, secret: bytes) -> str:
    return hmac.digest(_key(label, secret), subject.encode(), "sha256").hex()


def _key(label: str, secret: bytes) -> bytes:
    """A key for one use, from the secret of the stack."""
    return hmac.digest(secret, f"verification/{label}".encode(), "sha256")


def with_code(made: Outgoing, recipe: Recipe | None, secret: bytes) -> Outgoing:
    """A message with its code in it; one without a code of ours as it is."""
    if recipe is None or recipe.nonce is None or made.token is None:
        return made
    code = code_of(recipe, made.id[:26], secret)
    token = replace(made.token, code=code)
    return replace(made, text=rendered(made.text, code), token=token)


def without_code(outcomes: Sequence[Outcome], call: Call) -> list[Outcome]:
    """Outcomes in which no vendor repeats a code of ours: their words stand on the timeline."""
    codes = [one.token.code for one in call.members if one.token and one.token.code]
    if not codes:
        return list(outcomes)
    return [replace(one, text=_hidden(one.text, codes)) for one in outcomes]


def _hidden(text: str | None, codes: Sequence[str]) -> str | None:
    for code in codes if text else ():
        text = (text or "").replace(code, "[code]")
    return text
