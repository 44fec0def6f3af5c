"""`smsgw reports`: what tenants' messages became, summed."""

from datetime import date, timedelta
from typing import Any

import click

from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.core.timestamps import utc_now
from sms_gateway.reports.query import DEFAULT_DAYS, DIMENSIONS, ReportQuery, make_query
from sms_gateway.reports.report import Report, report_view
from smsgw import arguments
from smsgw.line import Command, given
from smsgw.outcomes import tenants
from smsgw.tables import Row, show_table
from smsgw.terminal import note, say, say_json

BY = (*DIMENSIONS, "tenant")
COUNTS = {
    **{"accepted": "ACCEPTED", "waiting": "WAITING", "delivered": "DELIVERED"},
    **{"undelivered": "UNDELIVERED", "rejected": "REJECTED", "expired": "EXPIRED"},
    **{"cancelled": "CANCELLED", "unknown": "UNKNOWN", "segments": "SEGMENTS", "price": "PRICE"},
    **{"p50": "P50 S", "p95": "P95 S", "codes": "CODES", "approved": "APPROVED"},
}


@click.command(
    "reports",
    cls=Command,
    help="Sum what messages became, for one tenant or all. What nobody asked for before is "
    "counted now: half a read unit a message.",
    reads=True,
    lists=True,
    examples=(
        "smsgw reports --by tenant",
        "smsgw reports --from 2026-11-01 --to 2026-11-30 --by day,vendor --json",
    ),
)
@click.option("--from", "first", type=arguments.day, help="First day (UTC), else a week's.")
@click.option("--to", "last", type=arguments.day, help="Last day (UTC), else today.")
@click.option("--by", default="", help=f"A row for each of {', '.join(BY)}, with commas.")
@click.option("--tenant", type=arguments.tenant, help="Only that of one tenant.")
def COMMAND(  # noqa: N802 - one name in each module
    first: date | None, last: date | None, by: str, tenant: str | None
) -> None:
    """Print the figures."""
    last = last or utc_now().date()
    first = first or last - timedelta(DEFAULT_DAYS - 1)
    try:
        query = make_query(first, last, by, BY)
        found = {one: _whole(one, query) for one in ([tenant] if tenant else tenants())}
        view = report_view(query, found)
    except InvalidRequestError as error:
        raise click.BadParameter(error.detail) from None
    if given("json"):
        say_json(view)
        return
    until = view["counted_until"] or "the report's first day"
    say(f"{query.first} to {query.last}; counted is what was accepted before {until}")
    if view["rows"]:
        columns = {one: one.upper() for one in query.by} | COUNTS
        show_table([_row(one) for one in view["rows"]], columns)


def _whole(tenant: str, query: ReportQuery) -> Report:
    """Count until nothing is left; each step is kept."""
    while not (found := Report(tenant, query, utc_now())).complete:
        note(f"{tenant}: counted until {found.counted_until or query.first}, going on")
    return found


def _row(row: dict[str, Any]) -> Row:
    prices = [f"{one['amount']} {one['currency']}" for one in row["price"]]
    seconds, codes = row["receipt_seconds"], row["codes"]
    return {
        **row,
        **{"price": prices, "p50": seconds["p50"], "p95": seconds["p95"]},
        **{"codes": codes["sent"] or None, "approved": codes["approved"] or None},
    }
