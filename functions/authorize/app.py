"""Lambda authorizer: find the tenant and the scopes of a bearer key."""

from typing import Any

from sms_gateway.config import api_keys
from sms_gateway.config.api_keys import ApiKey, Refusal
from sms_gateway.core.timestamps import utc_now


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Allow or deny the whole stage: API Gateway caches the policy for all routes of a key.

    A wrong key is denied, which the template's ACCESS_DENIED answers with 401. To raise would do so
    too, but Lambda logs a stack trace and counts an error for it.
    """
    scheme, _, key = str(event.get("authorizationToken", "")).partition(" ")
    bearer = key.strip() if scheme.lower() == "bearer" else ""
    api_key, refusal = api_keys.find_key(bearer, utc_now())
    if refusal is not None:
        _report(refusal, api_key)
    api, stage, *_ = event["methodArn"].split("/")
    decision: dict[str, Any] = {
        "principalId": api_key.id if api_key else "unknown",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Deny" if refusal else "Allow",
                    "Resource": f"{api}/{stage}/*",
                }
            ],
        },
    }
    if api_key and refusal is None:
        decision["context"] = {
            "tenant": api_key.tenant,
            "scopes": " ".join(api_key.scopes),
            "key_id": api_key.id,
            "region": api_key.region or "",
            **({"policy": api_key.policy} if api_key.policy else {}),
            **({"expires": str(api_key.expires)} if api_key.expires else {}),
            **({"test": "true"} if api_key.test else {}),
        }
    return decision


def _report(refusal: Refusal, api_key: ApiKey | None) -> None:
    from sms_gateway.core.observability import count, logger  # a start for a good key has no use

    count("KeyRefused", refusal)
    if api_key is not None:  # of others there is nothing to name
        named = {"reason": refusal, "key_id": api_key.id, "tenant": api_key.tenant}
        logger.warning("key refused", extra=named)
