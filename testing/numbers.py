"""Numbers that no subscriber has."""

NUMBERS = {  # a first number that can't be anybody's, by vendor
    "jst": 911000000001,
    "dinisoft": 8801000000001,
    "rajasms": 628000000001,
    "server2sms": 447700900001,
}


def number(vendor: str, nth: int = 0) -> str:
    """The nth number that routes to a vendor."""
    return f"+{NUMBERS[vendor] + nth}"
