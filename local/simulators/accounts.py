"""The made-up accounts that the simulators know, in the form of the gateway's account settings."""

from collections.abc import Mapping
from typing import Any

DEFAULT_URL = "http://127.0.0.1:8800"
# Registered with the operators for the account at JST: texts by DLT template id.
TEMPLATES: Mapping[str, str] = {
    "1107100000000000001": "Your code is {#var#}",
    "1107100000000000002": "Dear {#var#}, your order {#var#} is on its way.",
    "1107100000000000003": "Hello through {#var#}",
}

type Account = dict[str, Any]


def accounts(base_url: str) -> dict[str, Account]:
    """Return the account settings of all four vendors, for simulators that listen at `base_url`."""
    base = base_url.rstrip("/")
    return {
        "jst": {
            "base_url": f"{base}/jst/index.php/api",
            "allow_http": True,
            "username": "local-user",
            "password": "local-password",
            "sender": "LOCALS",
            "templates": [{"id": key, "text": text} for key, text in TEMPLATES.items()],
        },
        "dinisoft": {
            "base_url": f"{base}/dinisoft",
            "balance_url": f"{base}/dinisoft/login/sms/smsConfiguration/smsClientBalance.jsp",
            "allow_http": True,
            "api_key": "0123456789abcdef",
            "secret_key": "01234567",
            "client": "local-client",
            "sender": "LOCAL",
        },
        "server2sms": {
            "base_url": f"{base}/server2sms",
            "allow_http": True,
            "user_key": "LOCALKEY",
            "password": "local-password",
            "sender": "Local",
        },
        "rajasms": {
            "base_url": f"{base}/rajasms",
            "allow_http": True,
            "api_key": "local-api-key",
        },
    }


ACCOUNTS = accounts(DEFAULT_URL)
