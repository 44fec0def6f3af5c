"""The made-up accounts that the simulators know, in the form of the gateway's account settings."""

DEFAULT_URL = "http://127.0.0.1:8800"

type Account = dict[str, str | bool]


def accounts(base_url: str) -> dict[str, Account]:
    """The account settings of all four vendors, for simulators that listen at `base_url`."""
    base = base_url.rstrip("/")
    return {
        "jst": {
            "base_url": f"{base}/jst/index.php/api",
            "allow_http": True,
            "username": "local-user",
            "password": "local-password",
            "sender": "LOCALS",
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
