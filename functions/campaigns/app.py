"""The routes under /campaigns, but for a test of one, which the send function sends."""

from typing import Any

from sms_gateway.campaigns import api as campaigns
from sms_gateway.core.timestamps import utc_now
from sms_gateway.http_api.request import Request, require_scope
from sms_gateway.http_api.responses import json_response, router
from sms_gateway.http_api.router import Response
from sms_gateway.policies.door import admit

SCOPE = "campaigns"

app = router(admit)


@app.post("/campaigns")
def post_campaign(request: Request) -> Response:
    """Make a campaign; only this response has the link for its file."""
    return json_response(campaigns.make(require_scope(request, SCOPE), request, utc_now()), 201)


@app.get("/campaigns")
def get_campaigns(request: Request) -> Response:
    """Show a page of the tenant's campaigns."""
    return json_response(campaigns.listed(require_scope(request, SCOPE), request.query, utc_now()))


@app.get("/campaigns/<identifier>")
def get_campaign(request: Request, identifier: str) -> Response:
    """Show a campaign with its counts."""
    return json_response(campaigns.show(require_scope(request, SCOPE), identifier, utc_now()))


@app.post("/campaigns/<identifier>/pause")
def pause_campaign(request: Request, identifier: str) -> Response:
    """Read no more rows until it is resumed."""
    return _change(request, identifier, "pause")


@app.post("/campaigns/<identifier>/resume")
def resume_campaign(request: Request, identifier: str) -> Response:
    """Go on where it stopped, or begin."""
    return _change(request, identifier, "resume")


@app.post("/campaigns/<identifier>/cancel")
def cancel_campaign(request: Request, identifier: str) -> Response:
    """Read no more rows, and take back what has not left."""
    return _change(request, identifier, "cancel")


@app.post("/campaigns/<identifier>/preview")
def post_preview(request: Request, identifier: str) -> Response:
    """Begin a check of all rows."""
    tenant = require_scope(request, SCOPE)
    return json_response(campaigns.begin_preview(tenant, identifier, utc_now()), 202)


@app.get("/campaigns/<identifier>/preview")
def get_preview(request: Request, identifier: str) -> Response:
    """Show what the last check found."""
    tenant = require_scope(request, SCOPE)
    return json_response(campaigns.show_preview(tenant, identifier, utc_now()))


@app.get("/campaigns/<identifier>/results")
def get_results(request: Request, identifier: str) -> Response:
    """Show a link to the results file."""
    return json_response(campaigns.results(require_scope(request, SCOPE), identifier, utc_now()))


def _change(request: Request, identifier: str, what: str) -> Response:
    tenant = require_scope(request, SCOPE)
    return json_response(campaigns.change(tenant, identifier, what, utc_now()))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer API Gateway."""
    return app.resolve(event, context)
