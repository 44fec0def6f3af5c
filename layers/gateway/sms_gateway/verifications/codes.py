"""One-time codes: draw, render, normalize and compare them. No I/O.

Our own codes are stored nowhere. A message keeps a random nonce, and its code is drawn from
HMAC(key, nonce and id) whenever it is needed: a worker that comes after a crash sends the same
code, and the table alone reveals nothing.
"""

import hmac
import string
from collections.abc import Iterator, Mapping
from copy import replace
from unicodedata import category, decimal

from sms_gateway.core.canonical_json import canonical
from sms_gateway.core.derived_keys import Secret, derive_key
from sms_gateway.storage.models import CodeSpec
from sms_gateway.vendors.types import OutgoingMessage

CODE_PLACEHOLDER = "{code}"
LITERALS = "- "  # are not drawn, and need not be typed
SEPARATORS = "\u2212"  # the minus sign, which is no dash to Unicode
FULL_WIDTH = 0xFEE0  # from a letter to its full-width form
FULL_WIDTH_LETTERS = frozenset(chr(ord(letter) + FULL_WIDTH) for letter in string.ascii_letters)
MAX_MASK_LENGTH = 20
# The mask's characters are server2sms's: vendor-docs, TokenMask.
ALPHABETS: Mapping[str, str] = {
    "#": string.digits,
    "A": string.ascii_uppercase,
    "N": string.ascii_uppercase + string.digits,
}
TEST_NONCE = "test"  # in place of the 32 characters that are drawn for a live code
TEST_SYMBOLS: Mapping[str, str] = {"#": "0", "A": "A", "N": "0"}
SYMBOLS: Mapping[str, str] = {"digits": "#", "letters": "A", "alphanumeric": "N"}


def unknown_mask_characters(mask: str) -> list[str]:
    """Return the characters that are not allowed in a mask."""
    return [
        symbol
        for symbol in dict.fromkeys(mask)
        if symbol not in ALPHABETS and symbol not in LITERALS
    ]


def drawn_length(mask: str) -> int:
    """Count the characters of a mask that are drawn."""
    return sum(symbol in ALPHABETS for symbol in mask)


def describe_mask(mask: str) -> str:
    """Say what is drawn, such as "6 digits"."""
    kinds = {"#": "digits", "A": "letters"}
    symbols = {symbol for symbol in mask if symbol in ALPHABETS}
    kind = kinds.get(symbols.pop(), "digits or letters") if len(symbols) == 1 else "characters"
    return f"{drawn_length(mask)} {kind}"


def sample_code(mask: str) -> str:
    """Make a code of the right length and alphabet, to count segments with."""
    return "".join("0" if symbol in ALPHABETS else symbol for symbol in mask)


def render_code(text: str, code: str) -> str:
    """Put the code into the text."""
    return text.replace(CODE_PLACEHOLDER, code)


def derive_code(code_spec: CodeSpec, identifier: str, secret: bytes) -> str:
    """Derive a verification's code; each drawn character is uniform over its alphabet.

    Without `case_sensitive` letters are capitals. A test's has zeros only, and A for letters.
    """
    if code_spec.nonce == TEST_NONCE:
        return "".join(TEST_SYMBOLS.get(symbol, symbol) for symbol in code_spec.mask)
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
    """Draw a character; bytes above the last whole multiple would favour the first ones."""
    fair = 256 - 256 % len(alphabet)
    return alphabet[next(byte for byte in random if byte < fair) % len(alphabet)]


def _stream(key: bytes, subject: str) -> Iterator[int]:
    counter = 0
    while True:
        yield from hmac.digest(key, f"{subject}/{counter}".encode(), "sha256")
        counter += 1


def normalize_input(written: str, mask: str, case_sensitive: bool) -> str | None:
    """Bring a typed code into the form of the mask; None for what can't be a code of it.

    Ignore white space, dashes, format characters, punctuation around the code, and case unless the
    code is case-sensitive. Digits may be of any script, letters full-width.
    """
    typed = _without_punctuation("".join(map(_plain, written)))
    if not case_sensitive:
        typed = typed.upper()
    symbols = [symbol for symbol in mask if symbol in ALPHABETS]
    if len(typed) != len(symbols) or not all(
        character in _alphabet(symbol, case_sensitive)
        for symbol, character in zip(symbols, typed, strict=True)
    ):
        return None
    characters = iter(typed)
    return "".join(next(characters) if symbol in ALPHABETS else symbol for symbol in mask)


def _plain(character: str) -> str:
    """Return the ASCII digit or letter that a character stands for, or nothing for a separator."""
    kind = category(character)
    if kind == "Nd":
        return str(decimal(character))
    if kind in ("Pd", "Cf") or character in SEPARATORS or character.isspace():
        return ""
    return chr(ord(character) - FULL_WIDTH) if character in FULL_WIDTH_LETTERS else character


def _without_punctuation(typed: str) -> str:
    """Return what was typed without punctuation around it, such as a full stop or quotes."""
    while typed and category(typed[-1]).startswith("P"):
        typed = typed[:-1]
    while typed and category(typed[0]).startswith("P"):
        typed = typed[1:]
    return typed


def code_digest(code: str, identifier: str, secret: bytes) -> str:
    """Digest a code for storage: HMAC-SHA256 in hex, different for each verification."""
    return _mac("digest", f"{identifier}/{code}", secret)


def digests_equal(digest: str, other: str) -> bool:
    """Whether two digests are equal, in constant time."""
    return hmac.compare_digest(digest, other)


def number_digest(tenant: str, number: str, secret: bytes) -> str:
    """Digest a number whose sends are counted; only a keyed hash hides it, numbers being few."""
    return _mac("number", f"{tenant}/{number}", secret)


def body_digest(body: bytes, identifier: str, secret: bytes) -> str:
    """Digest a check's body; keyed, since it holds a code."""
    return hmac.digest(
        _key("body", secret), identifier.encode() + b"/" + canonical(body), "sha256"
    ).hex()


def _mac(label: str, subject: str, secret: bytes) -> str:
    return hmac.digest(_key(label, secret), subject.encode(), "sha256").hex()


def _key(label: str, secret: bytes) -> bytes:
    """Derive the key for one use from the secret of the stack."""
    return derive_key(secret, f"verification/{label}")


def with_code(message: OutgoingMessage, code_spec: CodeSpec | None, key: Secret) -> OutgoingMessage:
    """Put our own code into a message; return one without such a code as it is."""
    if code_spec is None or code_spec.nonce is None or message.one_time_code is None:
        return message
    code = derive_code(code_spec, message.id[:26], key())
    one_time_code = replace(message.one_time_code, code=code)
    return replace(message, text=render_code(message.text, code), one_time_code=one_time_code)
