"""`smsgw tenants`, `messages cancel` and `keys revoke --stop-messages`: what an incident needs."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from sms_gateway.config import api_keys
from sms_gateway.config.stopped_tenants import Stop, encode_stops
from sms_gateway.config.stored_settings import read_setting, write_setting
from sms_gateway.messages import cancel_unsent
from sms_gateway.messages.cancel import cancel_message
from sms_gateway.messages.send import send
from sms_gateway.policies.counters import month_key, numbers_of
from sms_gateway.storage import message_repository, quotas
from smsgw import cancelling
from testing.gateway import Gateway
from testing.numbers import number
from testing.rights import as_operator
from testing.settings import forget_settings, set_policy
from testing.vendor_answers import SUBMIT, TAKES

Operator = Callable[..., tuple[int, str, str]]
NOW = datetime.now(UTC)


def accepted(key_id: str | None = None, tenant: str = "acme", days: int = 0, count: int = 1) -> str:
    """The first id of a batch that a key sent some days ago, to leave in a while."""
    to = ",".join(f'"{number("rajasms", nth)}"' for nth in range(count))
    later = (NOW + timedelta(days=1)).isoformat()
    body = f'{{"to": [{to}], "text": "Hello", "send_at": "{later}"}}'.encode()
    answer = send(tenant, body, NOW - timedelta(days=days), key_id=key_id)
    return str(answer["messages"][0]["id"])


def test_a_tenant_is_stopped_shown_and_started(gateway: Gateway, operator: Operator) -> None:
    api_keys.create_key("acme", ["messages:send"], "shop", NOW)
    assert operator("tenants", "show", "acme")[1].startswith("acme is not stopped\n")
    status, said, _ = operator("tenants", "stop", "acme", "--reason", "stolen key")
    assert (status, said.startswith("acme is stopped")) == (0, True)
    first = read_setting("stopped-tenants")
    assert operator("tenants", "stop", "acme")[0] == 0
    again = read_setting("stopped-tenants")
    assert first
    assert again
    assert again.text == first.text  # since when, and why
    operator("tenants", "stop", "other")
    _, said, _ = operator("tenants", "show", "acme")
    assert "stolen key" in said
    assert "active" in said
    assert [line.split()[0] for line in operator("tenants", "list")[1].splitlines()] == [
        "TENANT",
        "acme",
        "other",
    ]
    assert operator("tenants", "start", "acme")[0] == 0
    assert operator("tenants", "list")[1].splitlines()[1].split()[0] == "other"
    assert "No key is other's" in operator("tenants", "stop", "other")[1]


def test_two_operators_who_stop_at_once_stop_both(
    gateway: Gateway, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(name: str) -> object:
        found = read_setting(name)
        if found is None:
            assert write_setting(name, encode_stops({"other": Stop(1)}), None)
        return found

    monkeypatch.setattr("smsgw.tenants.read_setting", slow)
    assert operator("tenants", "stop", "acme")[0] == 0
    monkeypatch.undo()
    stored = read_setting("stopped-tenants")
    assert stored
    assert '"acme"' in stored.text
    assert '"other"' in stored.text
    forget_settings()


def test_all_of_a_tenant_that_has_not_left_is_cancelled(
    gateway: Gateway, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.wire.answers[SUBMIT["jst"]] = TAKES["jst"]
    left = gateway.sent("jst")[0]
    waiting = [accepted(), accepted("a" * 12, count=3), accepted(days=28)]
    other = accepted(tenant="other")
    for variable in ("DASHBOARD", "RETENTION_DAYS", "EVENTS"):  # a terminal has no function's
        monkeypatch.delenv(variable)
    status, said, _ = operator("messages", "cancel", "--tenant", "acme")
    assert status == 0
    assert said == "4 batches looked at, 5 messages cancelled; what had left stays sent.\n"
    assert set(gateway.statuses(waiting)) == {"cancelled"}
    assert gateway.statuses([left, other]) == ["submitted", "scheduled"]
    _, said, _ = operator("messages", "cancel", "--tenant", "acme")
    assert said.startswith("4 batches looked at, 0 messages cancelled")


def test_a_key_is_revoked_and_what_it_sent_is_cancelled(
    gateway: Gateway, operator: Operator
) -> None:
    _, stolen = api_keys.create_key("acme", ["messages:send"], "", NOW)
    mine, theirs = accepted(stolen.id, count=2), accepted("b" * 12)
    _, said, _ = operator("messages", "list", "--key", stolen.id)
    assert [line.split()[0] for line in said.splitlines()] == [mine, mine[:-1] + "1"]
    assert stolen.id in said
    assert number("rajasms") not in said
    for _ in range(2):  # it may be repeated
        status, said, _ = operator("keys", "revoke", stolen.id, "--stop-messages")
        assert status == 0
        assert "flush" in said
    assert gateway.statuses([mine, theirs]) == ["cancelled", "scheduled"]
    assert api_keys.list_keys()[0].revoked_at
    assert operator("keys", "revoke", "000000000000", "--stop-messages")[0] == 1


@pytest.mark.parametrize("count", [1, 30])
def test_what_an_operator_cancels_is_given_back_once(
    gateway: Gateway, operator: Operator, count: int
) -> None:
    """One of them was cancelled by its sender before."""
    money = {"amount": "90", "currency": "USD"}
    spend = {"spend_per_month": money, "assumed_price": {**money, "amount": "0.1"}}
    share = {"most_per_number_per_day": 2}
    set_policy("acme", json.dumps({**spend, **share}))
    now = datetime.now(UTC)
    later = (now + timedelta(days=1)).isoformat()
    to = [number("rajasms", nth) for nth in range(count)]
    body = json.dumps({"to": to, "text": "x" * 200, "send_at": later}).encode()
    keyed = json.dumps({"messages_per_day": 99, **share})
    for _ in range(2):
        send("acme", body, now, key_id="k", key_policy=keyed)
    first = send("acme", json.dumps({"to": number("jst"), "text": "Hello"}).encode(), now)
    gateway.dispatch("jst")  # it has left, and stays counted
    ids = message_repository.tenant_batches("acme", now.date().isoformat(), None, 9)
    ids.remove(first["batch_id"])
    cancel_message("acme", f"{ids[0]}000", now)
    for _ in range(2):
        assert operator("messages", "cancel", "--tenant", "acme")[0] == 0
    item = numbers_of(quotas.read(month_key("acme", now)))
    today = f"{now:%d}."
    assert {name: item[name] for name in item if "ttl" not in name} == {
        f"{today}messages": 1,
        f"{today}segments": 1,
        f"{today}spend.USD": 100_000_000,
        "month.spend.USD": 100_000_000,
        f"{today}messages#k": 0,
        f"{today}segments#k": 0,
    }
    assert len(send("acme", body, now, key_id="k", key_policy=keyed)["messages"]) == count


def test_one_batch_is_cancelled_if_it_is_theirs(gateway: Gateway, operator: Operator) -> None:
    mine, other = accepted(), accepted(tenant="other")
    for one in (mine, other):
        operator("messages", "cancel", "--tenant", "acme", "--batch", one[:26])
    assert gateway.statuses([mine, other]) == ["cancelled", "scheduled"]


def test_it_may_be_stopped_by_hand_and_run_again(
    gateway: Gateway, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [accepted() for _ in range(4)]
    calls = iter(range(10))

    def interrupted(batch: str, has_time_for: cancel_unsent.HasTimeFor) -> int | None:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return cancel_unsent.cancel_unsent_of(batch, has_time_for)

    monkeypatch.setattr(cancelling, "cancel_unsent_of", interrupted)
    status, said, errors = operator("messages", "cancel", "--tenant", "acme")
    assert (status, errors) == (1, "smsgw: stopped\n")
    assert said == "2 batches looked at, 2 messages cancelled; run it again to go on\n"
    _, said, _ = operator("messages", "cancel", "--tenant", "acme")
    assert "4 batches looked at, 2 messages cancelled" in said
    assert set(gateway.statuses(ids)) == {"cancelled"}


def test_what_a_worker_has_claimed_is_spared(gateway: Gateway, operator: Operator) -> None:
    identifier = gateway.one("jst")

    def cancelled_meanwhile(_request: object) -> object:
        with as_operator():
            said = operator("messages", "cancel", "--tenant", "acme")[1]
        assert "0 messages cancelled" in said
        return TAKES["jst"]

    gateway.wire.answers[SUBMIT["jst"]] = cancelled_meanwhile
    assert gateway.dispatch("jst") == []
    assert gateway.status(identifier) == "submitted"
    assert len(gateway.wire.sent) == 1
