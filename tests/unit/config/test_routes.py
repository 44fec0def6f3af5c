"""Routes: the longest prefix decides, and what is written wrong is refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.config.routes import Routes

DEFAULT = Routes.parse(
    '{"routes": [{"prefix": "+91", "vendors": ["jst"]},'
    '{"prefix": "+880", "vendors": ["dinisoft", "server2sms"]},'
    '{"prefix": "+62", "vendors": ["rajasms"]},'
    '{"prefix": "+6281", "vendors": ["server2sms"]},'
    '{"prefix": "+", "vendors": ["server2sms"]}]}'
)


@pytest.mark.parametrize(
    ("number", "vendor"),
    [
        ("+911000000001", "jst"),
        ("+8801000000001", "dinisoft"),
        ("+628000000001", "rajasms"),
        ("+628100000001", "server2sms"),
        ("+447700900001", "server2sms"),
        ("+88", "server2sms"),
    ],
)
def test_the_longest_prefix_decides(number: str, vendor: str) -> None:
    route = DEFAULT.route(number)
    assert route
    assert route.vendors[0] == vendor


def test_without_a_route_for_all_there_may_be_none() -> None:
    assert Routes.parse('{"routes": [{"prefix": "+91", "vendors": ["jst"]}]}').route("+447") is None


@pytest.mark.parametrize(
    "written",
    [
        "",
        "[]",
        '{"routes": []}',
        '{"routes": [{"prefix": "+91"}]}',
        '{"routes": [{"prefix": "91", "vendors": ["jst"]}]}',
        '{"routes": [{"prefix": "+91\\n", "vendors": ["jst"]}]}',
        '{"routes": [{"prefix": "+91", "vendors": ["jst"], "region": "IN"}]}',  # lends no region
    ],
)
def test_bad_routes_are_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Routes.parse(written)


@given(st.text())
def test_any_text_gives_routes_or_a_value_error(written: str) -> None:
    with suppress(ValueError):
        assert Routes.parse(written).routes
