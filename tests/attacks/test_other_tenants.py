"""Whatever a tenant learnt of another's ids and cursors opens nothing."""

import base64
import random
from typing import Any

import pytest

from sms_gateway.config.api_keys import SCOPES
from testing.deployed import NUMBERS, Api

SECRET = "a word that only its sender may read"
SEED = random.SystemRandom().randrange(2**32)


@pytest.fixture(scope="module")
def known(admin: Api) -> dict[str, Any]:
    """What the victim has, and the attacker knows."""
    sent = admin.send({"to": [NUMBERS["rajasms"], NUMBERS["jst"]], "text": SECRET})
    listed = admin("GET", "/messages?limit=1").body
    assert listed["cursor"]
    code = admin("POST", "/verifications", {"to": NUMBERS["dinisoft"][:-1] + "9", "text": "{code}"})
    assert code.status == 201
    hook = admin("POST", "/webhooks", {"url": "http://127.0.0.1:9/hook"})
    assert hook.status == 201, hook.body
    campaign = admin("POST", "/campaigns", {"name": SECRET, "size": 9})
    assert campaign.status == 201, campaign.body
    return {
        "campaign": campaign.body["id"],
        "message": sent[0]["id"],
        "batch": sent[0]["id"][:26],
        "cursor": listed["cursor"],
        "verification": code.body["id"],
        "webhook": hook.body["id"],
    }


PATHS = [
    ("GET", "/messages/{message}"),
    ("DELETE", "/messages/{message}"),
    ("GET", "/batches/{batch}"),
    ("DELETE", "/batches/{batch}"),
    ("GET", "/batches/{campaign}"),
    ("GET", "/campaigns/{campaign}"),
    ("POST", "/campaigns/{campaign}/pause"),
    ("POST", "/campaigns/{campaign}/resume"),
    ("POST", "/campaigns/{campaign}/cancel"),
    ("POST", "/campaigns/{campaign}/preview"),
    ("GET", "/campaigns/{campaign}/preview"),
    ("POST", "/campaigns/{campaign}/test"),
    ("GET", "/campaigns/{campaign}/results"),
    ("GET", "/verifications/{verification}"),
    ("POST", "/verifications/{verification}/checks"),
    ("GET", "/webhooks/{webhook}"),
    ("DELETE", "/webhooks/{webhook}"),
    ("POST", "/webhooks/{webhook}/rotate"),
    ("POST", "/webhooks/{webhook}/test"),
    ("GET", "/webhooks/{webhook}/deliveries"),
]


@pytest.fixture(scope="module")
def attacker(api: Api) -> Api:
    """Another tenant, with every scope."""
    return Api(api.stack, api.stack.key("attacker", SCOPES))


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_a_known_id_is_not_found(
    method: str, path: str, known: dict[str, Any], admin: Api, attacker: Api
) -> None:
    where = path.format(**known)
    answer = attacker(method, where, {"code": "123456"} if path.endswith("checks") else None)
    assert answer.status == 404
    assert SECRET not in str(answer.body)
    if method == "GET" and not path.endswith(("/preview", "/results")):  # there are none yet
        assert admin(method, where).status == 200


def test_a_cursor_reads_its_readers_own_list(known: dict[str, Any], attacker: Api) -> None:
    answer = attacker("GET", f"/messages?cursor={known['cursor']}")
    assert (answer.status, answer.body["messages"]) == (200, [])
    batches = attacker("GET", f"/batches?cursor={known['cursor']}")
    assert (batches.status, batches.body["batches"]) == (200, [])


def test_forged_cursors_read_nothing_else(known: dict[str, Any], attacker: Api) -> None:
    print(f"seed {SEED}")
    draw = random.Random(SEED)  # noqa: S311 - no secret
    plain = base64.urlsafe_b64decode(known["cursor"] + "==")
    for nth in range(60):
        changed = bytearray(plain)
        for _ in range(draw.randint(1, 3)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        if nth % 5 == 0:
            changed = changed[: draw.randrange(len(changed))]
        forged = base64.urlsafe_b64encode(bytes(changed)).decode().rstrip("=")
        answer = attacker("GET", f"/messages?cursor={forged}")
        assert answer.status in (200, 400, 422), (SEED, forged)
        assert SECRET not in str(answer.body)
        assert answer.status != 200 or answer.body["messages"] == []


@pytest.mark.parametrize("filter_", ["batch_id={batch}", "to={to}", "vendor=rajasms", "limit=100"])
def test_no_filter_shows_anothers_messages(
    filter_: str, known: dict[str, Any], attacker: Api
) -> None:
    to = NUMBERS["rajasms"].replace("+", "%2B")
    answer = attacker("GET", "/messages?" + filter_.format(**known, to=to))
    assert (answer.status, answer.body["messages"]) == (200, [])


def test_a_report_has_its_readers_own_figures(
    known: dict[str, Any], admin: Api, attacker: Api
) -> None:
    asked = "/reports?by=vendor"
    assert (attacker("GET", asked).status, attacker("GET", asked).body["rows"]) == (200, [])
    assert admin("GET", asked).status == 200
    for other in ("tenant", "vendor,tenant"):
        answer = attacker("GET", f"/reports?by={other}")
        assert (answer.status, answer.body["type"]) == (422, "/problems/unknown-dimension")
    answer = attacker("GET", "/reports?tenant=demo")
    assert (answer.status, answer.body["type"]) == (422, "/problems/unknown-parameter")


def test_an_idempotency_key_is_its_tenants_own(api: Api, attacker: Api) -> None:
    body = {"to": NUMBERS["rajasms"], "text": SECRET}
    headers = {"Idempotency-Key": "shared-by-chance"}
    mine = api("POST", "/messages", body, headers=headers).body
    theirs = attacker("POST", "/messages", body, headers=headers).body
    assert mine["batch_id"] != theirs["batch_id"]
