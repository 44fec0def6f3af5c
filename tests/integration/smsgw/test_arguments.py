"""What is typed wrong is refused in a line, before anything is done or recorded; nothing of it is
shown, since a hurried operator pastes a key."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from sms_gateway.config import api_keys
from sms_gateway.storage import dynamodb
from testing.gateway import Gateway
from testing.spellings import found_in

Operator = Callable[..., tuple[int, str, str]]

WRONG = {  # arguments, PASTED for a key; what the refusal says is wanted
    "revoke": (("keys", "revoke", "PASTED"), "12 characters"),
    "revoke and stop": (("keys", "revoke", "PASTED", "--stop-messages"), "12 characters"),
    "list": (("messages", "list", "--key", "PASTED"), "12 characters"),
    "cancel": (("messages", "cancel", "--key", "PASTED"), "12 characters"),
    "batch": (("messages", "cancel", "--tenant", "acme", "--batch", "PASTED"), "26 characters"),
    "stop": (("tenants", "stop", "PASTED"), "lower-case letters"),
    "start": (("tenants", "start", "No Tenant"), "lower-case letters"),
    "show": (("tenants", "show", "../acme"), "lower-case letters"),
    "reason": (("tenants", "stop", "acme", "--reason", "PASTED" * 9), "at most 200"),
    "expires": (
        (*("keys", "create", "--tenant", "acme"), *("--scope", "account", "--expires", "PASTED")),
        "2026-12-31T00:00:00Z",
    ),
    "no zone": (
        (
            *("keys", "create", "--tenant", "acme", "--scope", "account"),
            *("--expires", "2026-12-31T00:00:00"),
        ),
        "2026-12-31T00:00:00Z",
    ),
    "many": (("audit", "list", "--limit", "PASTED"), "1 to 10000"),
    "none": (("audit", "list", "--limit", "0"), "1 to 10000"),
    "too many": (("audit", "list", "--limit", "10001"), "1 to 10000"),
    "one too many": (("keys", "revoke", "0" * 12, "PASTED"), "smsgw"),
    "no option": (("keys", "revoke", "0" * 12, "--key", "PASTED"), "smsgw"),
    "no command": (("keys", "PASTED"), "smsgw"),
    "no area": (("PASTED",), "smsgw"),
    "half a key": (("keys", "revoke", "0" * 12, "HALF"), "smsgw"),
    "digits of another script": (("audit", "list", "--limit", "\u0661\u0660"), "1 to 10000"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_typed_wrong_is_refused_in_a_line_that_shows_no_key(
    gateway: Gateway, operator: Operator, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    key, stored = api_keys.create_key("acme", ["messages:send"], "", datetime.now(UTC))
    before = dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]
    given, wanted = WRONG[case]
    words = [one.replace("PASTED", key).replace("HALF", key[:30]) for one in given]
    try:
        status, out, err = operator(*words)
    except SystemExit as refused:
        status, (out, err) = int(str(refused.code)), capsys.readouterr()
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert wanted in line
    assert not found_in(line, [key[:30], key[-20:]])
    assert dynamodb.client().scan(TableName=dynamodb.table_name())["Items"] == before
    assert api_keys.list_keys() == [stored]
