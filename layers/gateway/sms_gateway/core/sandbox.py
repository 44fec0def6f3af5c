"""The names of the sandbox's vendors: what a test key reaches, and nothing else does."""

SANDBOX = ("sandbox", "sandbox2")  # in the order in which they are asked; no vendor in VENDORS


def is_sandbox(vendor: str) -> bool:
    """Return whether a vendor is of the sandbox, where nothing is sent, billed or counted."""
    return vendor in SANDBOX


def mark(*, test: bool) -> dict[str, bool]:
    """Return the member that an answer or event about a test has, and no other."""
    return {"test": True} if test else {}
