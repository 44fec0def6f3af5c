"""One-time codes: draw, render, normalize and compare them. No I/O."""

import hmac
import string
from collections.abc import Iterator, Mapping, Sequence
from copy import replace

from sms_gateway.storage.models import CodeSpec
from sms_gateway.vendors.types import OutgoingMessage, SubmitCall, SubmitOutcome

CODE_PLACEHOLDER = "{code}"
LITERALS = "- "  # stand in a code as they are, and need not be typed
MAX_MASK_LENGTH = 20
# The mask's characters are server2sms's: vendor-docs, TokenMask.
ALPHABETS: Mapping[str, str] = {
    "#": string.digits,
    "A": string.ascii_uppercase,
    "N": string.ascii_uppercase + string.digits,
}
SYMBOLS: Mapping[str, str] = {"digits": "#", "letters": "A", "alphanumeric": "N"}


def strange_characters(mask: str) -> list[str]:
    """The characters of a mask that mean nothing."""
    return [each for each in dict.fromkeys(mask) if each not in ALPHABETS and each not in LITERALS]


def drawn_length(mask: str) -> int:
    """How many characters of a mask are drawn."""
    return sum(symbol in ALPHABETS for symbol in mask)


def sample_code(mask: str) -> str:
    """A code of the right length and alphabet, to count segments with."""
    return "".join("0" if symbol in ALPHABETS else symbol for symbol in mask)


def render_code(text: str, code: str) -> str:
    """The text with the code in it."""
    return text.replace(CODE_PLACEHOLDER, code)


def derive_code(code_spec: CodeSpec, identifier: str, secret: bytes) -> str:
    """The code of a verification: each drawn character is uniform over its alphabet. Without
    `case_sensitive` letters are capitals."""
    subject = f"{identifier}/{code_spec.nonce}"
    random = _stream(_key("code", secret), subject)
    return "".join(
        _draw(_alphabet(symbol, code_spec.case_sensitive), random)
        if symbol in ALPHABETS
        else symbol
        for symbol in code_spec.mask
    )


def _alphabet(symbol: str, case_sensitive: bool) -> str:
    capitals = ALPHABETS[symbol]
    lower = "".join(letter.lower() for letter in capitals if letter.isalpha())
    return capitals + lower if case_sensitive else capitals


def _draw(alphabet: str, random: Iterator[int]) -> str:
    """A letter by a random byte; bytes above the last whole multiple would prefer the first."""
    fair = 256 - 256 % len(alphabet)
    return alphabet[next(byte for byte in random if byte < fair) % len(alphabet)]


def _stream(key: bytes, subject: str) -> Iterator[int]:
    counter = 0
    while True:
        yield from hmac.digest(key, f"{subject}/{counter}".encode(), "sha256")
        counter += 1


def normalize_input(written: str, mask: str, case_sensitive: bool) -> str | None:
    """What somebody typed in the form of the mask; None for what can't be a code of it. Spaces and
    hyphens don't matter, nor does case unless the code is case-sensitive."""
    bare = "".join(each for each in written if each not in LITERALS)
    if len(bare) != drawn_length(mask) or not (bare.isascii() and bare.isalnum()):
        return None
    letters = iter(bare if case_sensitive else bare.upper())
    return "".join(next(letters) if symbol in ALPHABETS else symbol for symbol in mask)


def code_digest(code: str, identifier: str, secret: bytes) -> str:
    """What is kept of a code: HMAC-SHA256 in hex, different for each verification."""
    return _mac("digest", f"{identifier}/{code}", secret)


def digests_equal(digest: str, other: str) -> bool:
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


def with_code(made: OutgoingMessage, code_spec: CodeSpec | None, secret: bytes) -> OutgoingMessage:
    """A message with its code in it; one without a code of ours as it is."""
    if code_spec is None or code_spec.nonce is None or made.one_time_code is None:
        return made
    code = derive_code(code_spec, made.id[:26], secret)
    token = replace(made.one_time_code, code=code)
    return replace(made, text=render_code(made.text, code), one_time_code=token)


def without_code(outcomes: Sequence[SubmitOutcome], call: SubmitCall) -> list[SubmitOutcome]:
    """Outcomes in which no vendor repeats a code of ours: their words stand on the timeline."""
    codes = [
        one.one_time_code.code
        for one in call.members
        if one.one_time_code and one.one_time_code.code
    ]
    if not codes:
        return list(outcomes)
    return [replace(one, text=_redact(one.text, codes)) for one in outcomes]


def _redact(text: str | None, codes: Sequence[str]) -> str | None:
    for code in codes if text else ():
        text = (text or "").replace(code, "[code]")
    return text
