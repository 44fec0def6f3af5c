"""GET /messages and /batches, one of each, /usage, /reports, /key; and /health without a key."""

from copy import replace
from typing import Any

from sms_gateway.core.problems import NotFoundError
from sms_gateway.core.timestamps import from_ms, rfc3339, utc_now
from sms_gateway.http_api.request import Request, require_key, require_scope
from sms_gateway.http_api.responses import json_response, router
from sms_gateway.http_api.router import Response
from sms_gateway.messages.listing import list_messages, parse_query
from sms_gateway.messages.views import batch_view, message_view
from sms_gateway.policies.door import admit, show_usage
from sms_gateway.storage import message_repository
from sms_gateway.storage.models import split_id

SCOPE = "messages:read"

app = router(admit)


@app.get("/messages")
def get_messages(request: Request) -> Response:
    """Show a page of the tenant's messages."""
    tenant = require_scope(request, SCOPE, tests=True)
    query, cursor = parse_query(request.query)
    if request.test:  # nor does it learn of a campaign: those are live
        query = replace(query, test=True)
    refuse_batch = None if request.test else _refuse_campaign
    return json_response(list_messages(tenant, query, cursor, utc_now(), refuse_batch))


@app.get("/messages/<identifier>")
def get_message(request: Request, identifier: str) -> Response:
    """Show one message with its timeline."""
    tenant = require_scope(request, SCOPE, tests=True)
    key = split_id(identifier)
    found = message_repository.find_message(key) if key else None
    if found is None or not found[0].shown_to(tenant, test=request.test):
        raise NotFoundError("There is no such message.")
    return json_response(message_view(*found))


@app.get("/usage")
def get_usage(request: Request) -> Response:
    """Show how the counted limits of the tenant and the key stand."""
    tenant = require_scope(request, SCOPE)
    return json_response(show_usage(tenant, request.key_id, request.policy, utc_now()))


@app.get("/reports")
def get_reports(request: Request) -> Response:
    """Show what the tenant's messages became, summed."""
    tenant = require_scope(request, SCOPE)
    # Saves start-up time: few requests ask for reports.
    from sms_gateway.reports import query as report_query
    from sms_gateway.reports.report import Report, report_view

    now = utc_now()
    query = report_query.parse_query(request.query, now.date())
    return json_response(report_view(query, {tenant: Report(tenant, query, now)}))


@app.get("/batches")
def get_batches(request: Request) -> Response:
    """Show a page of the tenant's batches and campaigns."""
    tenant = require_scope(request, SCOPE, tests=True)
    # Saves start-up time: few requests list batches.
    from sms_gateway.campaigns import batch_listing

    query, cursor = batch_listing.parse_query(request.query)
    page = batch_listing.list_batches(tenant, query, cursor, utc_now(), only_tests=request.test)
    return json_response(page)


@app.get("/batches/<identifier>")
def get_batch(request: Request, identifier: str) -> Response:
    """Show the counts of a batch, or a campaign."""
    tenant = require_scope(request, SCOPE, tests=True)
    batch = message_repository.whole_batch(identifier)
    if batch is None and not request.test:
        # Saves start-up time: few batches are campaigns.
        from sms_gateway.campaigns import live_counts, views
        from sms_gateway.campaigns import repository as campaign_repository

        campaign = campaign_repository.find_campaign(identifier)
        if campaign is not None and campaign.tenant == tenant:
            counted = live_counts.count_messages(campaign, utc_now())
            return json_response(views.campaign_view(campaign, counted))
    if batch is None or not batch[0].shown_to(tenant, test=request.test):
        raise NotFoundError("There is no such batch.")
    return json_response(batch_view(*batch))


@app.get("/key")
def get_key(request: Request) -> Response:
    """Show what the request's own key is, and may do."""
    tenant = require_key(request)
    return json_response(
        {
            "id": request.key_id,
            "tenant": tenant,
            "scopes": list(request.scopes),
            "test": request.test,
            "region": request.region,
            "expires_at": rfc3339(from_ms(request.expires * 1000)) if request.expires else None,
        }
    )


@app.get("/health")
def get_health(_request: Request) -> Response:
    """Answer that the function runs; call nothing else."""
    return json_response({"status": "ok"})


def _refuse_campaign(tenant: str, batch: str) -> None:
    # Saves start-up time: few batches are campaigns.
    from sms_gateway.campaigns.views import refuse_campaign

    refuse_campaign(tenant, batch)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer API Gateway."""
    return app.resolve(event, context)
