"""Marks of an account's secret settings: they recognise a secret, and do not reveal it.

Whoever calls no vendor knows the marks only. A mark is an HMAC under a key of the stack: whoever
has the table alone can't try out secrets, and whoever has the key too only short ones.
"""

import hmac
from collections.abc import Iterator, Mapping

from sms_gateway.core.value_object import ValueObject

DIGEST_BYTES = 16

type Marks = Mapping[str, "SecretMark"]  # by the setting's name


class SecretMark(ValueObject, frozen=True):
    """A secret's number of letters and digits, a digest of these, and one of the whole secret."""

    hidden = frozenset({"key"})

    length: int
    letters: bytes
    whole: bytes
    key: bytes

    @classmethod
    def of(cls, secret: str, letters: str, key: bytes) -> "SecretMark":
        """Make the mark of a secret; `letters` are its letters and digits."""
        return cls(len(letters), _digest(letters, key), _digest(f"whole/{secret}", key), key)

    @classmethod
    def parse(cls, written: str, key: bytes) -> "SecretMark":
        """Read a mark as `str` writes it. Raises ValueError."""
        try:
            length, letters, whole = written.split(":")
            return cls(int(length), bytes.fromhex(letters), bytes.fromhex(whole), key)
        except ValueError:
            raise ValueError("a mark of a secret is not as smsgw writes it") from None

    def __str__(self) -> str:
        return f"{self.length}:{self.letters.hex()}:{self.whole.hex()}"

    def is_of(self, secret: str) -> bool:
        """Return whether this is the mark of a secret; compares in constant time."""
        return hmac.compare_digest(self.whole, _digest(f"whole/{secret}", self.key))

    def find(self, letters: str) -> Iterator[int]:
        """Yield where the secret begins within letters and digits."""
        for start in range(len(letters) - self.length + 1):
            digest = _digest(letters[start : start + self.length], self.key)
            if hmac.compare_digest(self.letters, digest):
                yield start


def are_ours(said: Mapping[str, str], marks: Marks) -> bool:
    """Return whether all that is said of our secret settings, by name, is so."""
    return all(name in marks and marks[name].is_of(secret) for name, secret in said.items())


def _digest(text: str, key: bytes) -> bytes:
    return hmac.digest(key, text.encode(errors="replace"), "sha256")[:DIGEST_BYTES]
