"""GET /messages, /messages/{id}, /batches/{id}, and the two routes without a key: /openapi.json
and /health."""

from pathlib import Path
from typing import Any

from sms_gateway.core.problems import NotFoundError
from sms_gateway.core.timestamps import utc_now
from sms_gateway.http_api.request import query
from sms_gateway.http_api.responses import JSON, json_response, require_scope, router
from sms_gateway.http_api.router import Response
from sms_gateway.messages.listing import list_messages, parse_query
from sms_gateway.messages.views import batch_view, message_view
from sms_gateway.storage import message_repository
from sms_gateway.storage.models import split_id

CONTRACT = Path(__file__).with_name("openapi.json")

app = router()


@app.get("/messages")
def get_messages() -> Response:
    """A page of the tenant's messages."""
    tenant = require_scope(app, "messages:read")
    asked, cursor = parse_query(query(app.current_event.raw_event))
    return json_response(list_messages(tenant, asked, cursor, utc_now(), _refuse_campaign))


@app.get("/messages/<identifier>")
def get_message(identifier: str) -> Response:
    """One message with its timeline."""
    tenant = require_scope(app, "messages:read")
    key = split_id(identifier)
    found = message_repository.find_message(key) if key else None
    if found is None or found[0].tenant != tenant:
        raise NotFoundError("There is no such message.")
    return json_response(message_view(*found))


@app.get("/batches/<identifier>")
def get_batch(identifier: str) -> Response:
    """What became of a batch, or of a campaign."""
    tenant = require_scope(app, "messages:read")
    found = message_repository.whole_batch(identifier)
    if found is None:
        from sms_gateway.campaigns import repository as campaign_repository
        from sms_gateway.campaigns import views  # few batches are campaigns

        one = campaign_repository.find_campaign(identifier)
        if one is not None and one.tenant == tenant:
            return json_response(views.campaign_view(one))
    if found is None or found[0].tenant != tenant:
        raise NotFoundError("There is no such batch.")
    return json_response(batch_view(*found))


@app.get("/openapi.json")
def get_contract() -> Response:
    """The contract itself."""
    return Response(200, JSON, CONTRACT.read_text())


@app.get("/health")
def get_health() -> Response:
    """Liveness only: it asks nothing of anybody."""
    return json_response({"status": "ok"})


def _refuse_campaign(tenant: str, batch: str) -> None:
    from sms_gateway.campaigns.views import refuse_campaign  # few ids are a campaign's

    refuse_campaign(tenant, batch)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda entry point."""
    return app.resolve(event, context)
