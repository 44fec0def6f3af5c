"""Lambda authorizer: a bearer key becomes a tenant and its scopes, or 401."""

from typing import Any

from sms_gateway.config import api_keys


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answers an IAM policy for the whole stage, since API Gateway keeps it for all routes."""
    scheme, _, key = str(event.get("authorizationToken", "")).partition(" ")
    known = api_keys.find_key(key.strip()) if scheme.lower() == "bearer" else None
    if known is None:
        raise Exception("Unauthorized")  # the word that API Gateway turns into a 401
    api, stage, *_ = event["methodArn"].split("/")
    return {
        "principalId": known.id,
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
            "tenant": known.tenant,
            "scopes": " ".join(known.scopes),
            "key_id": known.id,
        },
    }
