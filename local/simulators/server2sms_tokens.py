"""The one-time codes that server2sms makes by a mask and checks itself."""

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field

PLACEHOLDER = "<VERIFICATIONCODE>"
MASKS: Mapping[str, str] = {
    "#": string.digits,
    "A": string.ascii_letters,
    "N": string.ascii_letters + string.digits,
}


@dataclass(slots=True)
class Token:
    """A code that was sent; `until` is seconds since 1970."""

    code: str = field(repr=False)
    case_sensitive: bool
    until: float
    verified: bool = False

    def fits(self, code: str) -> bool:
        """Return whether the code is right; once one was, each is (as seen at the vendor)."""
        if self.case_sensitive:
            return self.verified or code == self.code
        return self.verified or code.lower() == self.code.lower()


def by_mask(mask: str) -> str:
    """Return a code by a TokenMask: # a digit, A a letter, N either, all else as it is."""
    return "".join(secrets.choice(MASKS[char]) if char in MASKS else char for char in mask)
