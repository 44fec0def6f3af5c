"""Lambda authorizer: find the tenant and the scopes of a bearer key."""

from typing import Any

from sms_gateway.config import api_keys


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Allow the whole stage: API Gateway caches the policy for all routes of a key."""
    scheme, _, key = str(event.get("authorizationToken", "")).partition(" ")
    api_key = api_keys.find_key(key.strip()) if scheme.lower() == "bearer" else None
    if api_key is None:
        raise Exception("Unauthorized")  # API Gateway answers 401 to exactly this message
    api, stage, *_ = event["methodArn"].split("/")
    return {
        "principalId": api_key.id,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow",
                    "Resource": f"{api}/{stage}/*",
                }
            ],
        },
        "context": {
            "tenant": api_key.tenant,
            "scopes": " ".join(api_key.scopes),
            "key_id": api_key.id,
            "region": api_key.region or "",
        },
    }
