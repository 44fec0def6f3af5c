"""The express lane: codes have a queue, calls at once and turns of their own."""

import json
from itertools import pairwise
from typing import Any

import pytest

from sms_gateway.dispatch import worker
from sms_gateway.dispatch.circuit_breaker import FAILURES_TO_OPEN
from sms_gateway.messages import queue
from sms_gateway.messages.queue import EXPRESS, SubmissionTask
from sms_gateway.storage.models import ItemKey
from sms_gateway.vendors.registry import VENDORS
from testing.fast_motion import FastMotion
from testing.gateway import Gateway
from testing.numbers import number
from testing.queues import emptied, queue_name
from testing.settings import set_account, set_routes, set_stopped
from testing.transport import UNREACHABLE
from testing.vendor_answers import SUBMIT, TAKES
from testing.vendor_cases import adapter

KEY = ItemKey("01J0000000000000000000000A", "M#000")


def standing(name: str) -> list[tuple[str, str]]:
    """Take what stands in a queue: bodies and groups."""
    return [(one.body, str(one.group_id)) for one in emptied(queue_name(name))]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_code_stands_in_the_express_queue_under_its_vendor_and_tenant(
    gateway: Gateway, vendor: str
) -> None:
    code = gateway.one(vendor, category="otp")
    gateway.one(vendor, validity=300)  # urgent, and no code
    gateway.one(vendor)
    ((body, group),) = standing(EXPRESS)
    assert body == f"{vendor} {code[:26]}/M#000 1 code"
    assert group == f"{vendor}.acme"
    assert [one.split(" ")[3:] for one, _ in standing(vendor)] == [["urgent"], []]


def test_codes_in_one_request_have_the_express_queue_each(gateway: Gateway) -> None:
    body = {"to": [number("jst"), number("dinisoft")], "text": "Your code is 1", "category": "otp"}
    gateway.accept(body)
    assert {one.split(" ")[0] for one, _ in standing(EXPRESS)} == {"jst", "dinisoft"}
    assert standing("jst") + standing("dinisoft") == []


def test_a_test_keys_code_never_stands_before_live_ones(gateway: Gateway) -> None:
    (identifier,) = gateway.test(number("jst"), category="otp")
    assert standing(EXPRESS) == []
    ((body, group),) = standing(queue.SANDBOX_HOST)
    assert (body.split(" ")[3], group) == ("code", "test.acme")
    assert gateway.work([record(body)]) == []
    assert gateway.status(identifier) == "submitted"
    assert gateway.wire.sent == []


def test_a_sandbox_task_in_the_express_queue_reaches_no_vendor(gateway: Gateway) -> None:
    (identifier,) = gateway.test(number("jst"), category="otp")
    ((body, _),) = standing(queue.SANDBOX_HOST)
    forged = body.replace("sandbox", "jst", 1)
    assert gateway.work([record(body), record(forged)]) == []
    assert gateway.status(identifier) == "submitted"
    assert gateway.wire.sent == []


def test_a_code_fails_over_within_the_express_queue(gateway: Gateway) -> None:
    gateway.wire.answers |= {SUBMIT["jst"]: UNREACHABLE, SUBMIT["server2sms"]: TAKES["server2sms"]}
    set_routes(json.dumps({"routes": [{"prefix": "+91", "vendors": ["jst", "server2sms"]}]}))
    body = {"to": number("jst"), "text": "Your code is 1", "category": "otp"}
    (identifier,) = gateway.accept(body)
    ((first, _),) = standing(EXPRESS)
    assert gateway.work([record(first)]) == []
    ((second, group),) = standing(EXPRESS)
    assert (second.split(" ")[0], group) == ("server2sms", "server2sms.acme")
    assert gateway.work([record(second)]) == []
    assert gateway.status(identifier) == "submitted"


def test_what_waits_comes_back_in_its_own_queue_and_group(gateway: Gateway) -> None:
    set_account("jst", rate=0.1)
    for _ in range(2):
        gateway.one("jst", category="otp")
    waiting = standing(EXPRESS)
    gateway.wire.answers[SUBMIT["jst"]] = TAKES["jst"]
    attributes = {"MessageGroupId": waiting[0][1]}
    for body, _ in waiting:
        assert gateway.work([record(body, attributes)]) == []
    ((body, group),) = standing(EXPRESS)
    assert body.partition("@")[0].endswith(" code")
    assert group == "jst.acme"


def test_a_stopped_tenants_code_is_held_and_comes_back_in_the_express_queue(
    gateway: Gateway,
) -> None:
    gateway.wire.answers[SUBMIT["jst"]] = TAKES["jst"]
    identifier = gateway.one("jst", category="otp", validity=3600)
    set_stopped("acme")
    ((body, _),) = standing(EXPRESS)
    assert gateway.work([record(body)]) == []
    assert (gateway.wire.sent, gateway.submission(identifier).held) == ([], 0)
    set_stopped()
    gateway.tick(1000)
    assert [one for one, _ in standing(EXPRESS)] == [body]
    assert gateway.work([record(body)]) == []
    assert gateway.status(identifier) == "submitted"


def test_an_open_circuit_lets_codes_go_on_along_their_route(gateway: Gateway) -> None:
    set_routes(json.dumps({"routes": [{"prefix": "+91", "vendors": ["jst", "server2sms"]}]}))
    gateway.wire.answers |= {SUBMIT["jst"]: UNREACHABLE, SUBMIT["server2sms"]: TAKES["server2sms"]}
    ids = [gateway.one("jst", category="otp") for _ in range(FAILURES_TO_OPEN + 3)]
    for body, _ in standing(EXPRESS):
        assert gateway.work([record(body)]) == []
    assert len(gateway.wire.sent) == FAILURES_TO_OPEN  # the others did not call
    assert gateway.work([record(body) for body, _ in standing(EXPRESS)]) == []
    assert set(gateway.statuses(ids)) == {"submitted"}


@pytest.mark.parametrize(("share", "codes", "others"), [(0.2, 2, 8), (0.0, 1, 10), (0.5, 5, 5)])
def test_a_share_of_the_calls_at_once_is_kept_for_codes(
    gateway: Gateway, share: float, codes: int, others: int
) -> None:
    set_account("jst", concurrency=20, otp_share=share)
    kinds = [
        (f"jst {KEY} 1 code", codes),
        (f"jst {KEY} 1 urgent", others),
        (f"jst {KEY} 9", others),
    ]
    for body, most in kinds:
        session = worker._sessions([record(body)], 0, gateway.wire)["jst"]
        assert session._max_calls == most


@pytest.mark.parametrize("share", [-0.1, 0.91, 1])
def test_a_share_that_leaves_nothing_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"otp_share must be from 0 to 0\.9"):
        adapter("jst", otp_share=share)


def test_a_submission_takes_two_seconds_of_a_rate_at_most(gateway: Gateway) -> None:
    set_account("rajasms", rate=5)
    gateway.many("rajasms", 25)
    assert [int(body.split(" ")[2]) for body, _ in standing("rajasms")] == [10, 10, 5]


def test_a_rate_may_count_segments(gateway: Gateway) -> None:
    set_account("rajasms", rate=5, rate_unit="segments")
    text = "x" * 400  # three segments
    gateway.many("rajasms", 7, text=text)
    bodies = [body for body, _ in standing("rajasms")]
    assert [body.split(" ")[2] for body in bodies] == ["3/9", "3/9", "1/3"]
    task = SubmissionTask.parse(bodies[0])
    assert (task.messages, task.segments, str(task)) == (3, 9, bodies[0])
    with pytest.raises(ValueError, match="rate_unit"):
        adapter("rajasms", rate_unit="letters")


def test_a_rate_in_segments_is_kept(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    set_account("rajasms", rate=1, rate_unit="segments")
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    motion = FastMotion(gateway, "rajasms", monkeypatch)
    motion.plan(0, lambda: [gateway.one("rajasms", text="x" * 400) for _ in range(5)])
    motion.run(60)
    times = [when for when, _ in motion.left]
    assert len(times) == 5
    assert all(after - before >= 2.99 for before, after in pairwise(times))


def test_a_code_waits_for_one_short_turn_of_a_campaign(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_account("rajasms", rate=50)
    gateway.wire.answers[SUBMIT["rajasms"]] = TAKES["rajasms"]
    motion = FastMotion(gateway, "rajasms", monkeypatch, late=0.5)
    motion.plan(0, lambda: gateway.many("rajasms", 600))
    asked: dict[str, float] = {}

    def code() -> None:
        asked[gateway.one("rajasms", category="otp")[:26]] = motion.at

    for nth in range(2):
        motion.plan(3.0 + 4 * nth, code)
    motion.run(30)
    left = {name[:26]: when for when, name in motion.left if name[:26] in asked}
    assert left.keys() == asked.keys()
    # The model runs one worker at a time: what it sleeps, the code waits, too.
    assert max(left[name] - when for name, when in asked.items()) <= 5 + 2 + 0.5 + motion.late


def record(body: str, attributes: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"messageId": "1", "body": body, "attributes": attributes or {}}
