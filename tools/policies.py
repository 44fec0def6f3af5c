"""Write the transformed template and its roles' policies for the policy linters.

`python -m tools.policies FOLDER` makes FOLDER/template.json, for checkov, and a file for each role
in FOLDER/roles, for parliament. What only a deployment knows has a plain stand-in.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from testing.transformed import of_type, resolved, transformed

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"
# Everything that a parameter can turn on.
EVERYTHING = {
    "AccessLogs": "true",
    "SendFromBucket": "true",
    "SendFromBus": "true",
    "SendFromQueue": "true",
    "SendFromTopic": "true",
    "SendFromInvocation": "true",
    "Console": "true",
    "DeclaredVendors": "true",
    "CognitoKeyArn": KEY,
    "KmsKeyArn": KEY,
    "CognitoUserPoolId": "eu-central-1_AbCdEfGhI",
    "Events": "all",
    "Tracing": "Active",
    "SubnetIds": "subnet-0123456789abcdef0",
    "SecurityGroupIds": "sg-0123456789abcdef0",
}
_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackName": "sms-gateway",
    "AWS::URLSuffix": "amazonaws.com",
}
_ARNS = {
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:eu-central-1:{account}:table/{name}",
    "AWS::Events::EventBus": "arn:aws:events:eu-central-1:{account}:event-bus/{name}",
    "AWS::Lambda::Function": "arn:aws:lambda:eu-central-1:{account}:function:{name}",
    "AWS::Logs::LogGroup": "arn:aws:logs:eu-central-1:{account}:log-group:{name}:*",
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::SNS::Topic": "arn:aws:sns:eu-central-1:{account}:{name}",
    "AWS::SQS::Queue": "arn:aws:sqs:eu-central-1:{account}:{name}",
    "AWS::SecretsManager::Secret": "arn:aws:secretsmanager:eu-central-1:{account}:secret:{name}",
}


def plain(written: Any, resources: dict[str, dict[str, Any]]) -> Any:
    """Return a policy with ARNs in place of references. Raise KeyError for an unknown one."""
    if isinstance(written, list):
        return [plain(one, resources) for one in written]
    if not isinstance(written, dict):
        return written
    match written:
        case {"Ref": name}:
            return _PSEUDO[name] if name in _PSEUDO else _arn(name, "Ref", resources)
        case {"Fn::GetAtt": [name, attribute]}:
            return _arn(name, attribute, resources)
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([\w:.]+)\}", lambda one: _named(one[1], resources), text)
    return {name: plain(value, resources) for name, value in written.items()}


def _named(name: str, resources: dict[str, dict[str, Any]]) -> str:
    resource, _, attribute = name.partition(".")
    return _PSEUDO.get(name) or _arn(resource, attribute, resources)


def _arn(name: str, attribute: str, resources: dict[str, dict[str, Any]]) -> str:
    kind = resources[name]["Type"]
    if kind == "AWS::SSM::Parameter":
        return f"/{name}"
    arn = _ARNS[kind].format(account=ACCOUNT, name=name)
    return f"{arn}/stream/1" if attribute == "StreamArn" else arn


def policies() -> dict[str, dict[str, Any]]:
    """Return the policies of every role of a deployment that has everything, by a file's name."""
    resources = resolved(**EVERYTHING)
    shared = of_type(resources, "AWS::IAM::Policy")
    return {name: plain(one["PolicyDocument"], resources) for name, one in shared.items()} | {
        f"{name}-{policy['PolicyName']}": plain(policy["PolicyDocument"], resources)
        for name, role in of_type(resources, "AWS::IAM::Role").items()
        for policy in role.get("Policies", [])
    }


def main() -> None:
    """Write the files into the folder that the command line names."""
    folder = Path(sys.argv[1])
    (folder / "roles").mkdir(parents=True, exist_ok=True)
    for old in (folder / "roles").iterdir():
        old.unlink()
    (folder / "template.json").write_text(json.dumps(transformed(), indent=1))
    for name, policy in policies().items():
        (folder / "roles" / f"{name}.json").write_text(json.dumps(policy, indent=1))


if __name__ == "__main__":
    main()
