"""Lambda authorizer: find the tenant and the scopes of a bearer key."""

from typing import Any

from sms_gateway.config import api_keys


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Allow or deny the whole stage: API Gateway caches the policy for all routes of a key.

    A wrong key is denied, which the template's ACCESS_DENIED answers with 401. To raise would do so
    too, but Lambda logs a stack trace and counts an error for it.
    """
    scheme, _, key = str(event.get("authorizationToken", "")).partition(" ")
    api_key = api_keys.find_key(key.strip()) if scheme.lower() == "bearer" else None
    api, stage, *_ = event["methodArn"].split("/")
    decision: dict[str, Any] = {
        "principalId": api_key.id if api_key else "unknown",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow" if api_key else "Deny",
                    "Resource": f"{api}/{stage}/*",
                }
            ],
        },
    }
    if api_key:
        decision["context"] = {
            "tenant": api_key.tenant,
            "scopes": " ".join(api_key.scopes),
            "key_id": api_key.id,
            "region": api_key.region or "",
        }
    return decision
