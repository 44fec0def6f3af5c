"""`smsgw reports`: the figures of one tenant or all, as a table and as JSON."""

import json
from datetime import timedelta

from sms_gateway.config import api_keys
from sms_gateway.core.timestamps import utc_now
from testing.gateway import Gateway
from testing.lives import accepted

from .conftest import Operator

TENANTS = ("acme", "bazaar")


def sent() -> None:
    for tenant in TENANTS:
        api_keys.create_key(tenant, ["messages:read"], "", utc_now())
        accepted(utc_now() - timedelta(days=1), tenant=tenant)


def test_an_operator_sees_each_tenants_figures(gateway: Gateway, operator: Operator) -> None:
    sent()
    status, shown, said = operator("reports", "--by", "tenant,vendor")
    assert (status, said) == (0, "")
    assert [line.split()[:3] for line in shown.splitlines()[2:]] == [
        [tenant, "jst", "1"] for tenant in TENANTS
    ]


def test_as_json_it_is_what_the_api_answers(gateway: Gateway, operator: Operator) -> None:
    sent()
    status, shown, _ = operator("reports", "--tenant", "acme", "--json")
    view = json.loads(shown)
    assert status == 0
    assert view["complete"]
    assert [row["accepted"] for row in view["rows"]] == [1]


def test_what_is_wrong_is_one_line(gateway: Gateway, operator: Operator) -> None:
    for line, says in (
        (("--from", "2026-11-02", "--to", "2026-11-01"), "Exchange them"),
        (("--from", "tomorrow"), "write it as 2026-12-31"),
        (("--by", "moon"), "tenant, with commas"),
    ):
        status, _, said = operator("reports", *line)
        assert status == 2
        assert says in said
