"""Own domain, web ACL and KMS key: nothing of them by default, all of it when they are given."""

import json
import re
from typing import Any

import pytest

from sms_gateway.vendors.registry import VENDORS
from testing.paths import ROOT
from testing.template import EVERYTHING, TEMPLATE
from testing.transformed import of_type, resolved, transformed

CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/1"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1"
WEB_ACL = "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/gateway/1"
DOMAIN = {"DomainName": "sms.example.com", "CertificateArn": CERTIFICATE}
GUIDE = ROOT / "docs" / "guides" / "own-domain-and-keys.md"
PUTS = {"sqs:SendMessage", "sqs:SendMessageBatch", "s3:PutObject", "sns:Publish"}


def every(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def callback_url(**parameters: str) -> Any:
    dispatch = resolved(**parameters)["DispatchFunction"]["Properties"]
    return dispatch["Environment"]["Variables"]["CALLBACK_URL"]


# --- domain


def test_by_default_there_is_no_domain_no_record_and_no_web_acl() -> None:
    kinds = {one["Type"] for one in resolved().values()}
    assert kinds.isdisjoint(
        {
            "AWS::ApiGateway::DomainName",
            "AWS::ApiGateway::BasePathMapping",
            "AWS::Route53::RecordSet",
            "AWS::WAFv2::WebACLAssociation",
        }
    )
    assert {"Domain", "DomainMapping", "DomainRecord", "WebAclAssociation"} <= set(
        transformed()["Resources"]
    )


def test_a_domain_serves_the_stage_over_tls_1_2_and_dns_stays_the_operators() -> None:
    resources = resolved(**DOMAIN)
    domain = resources["Domain"]["Properties"]
    assert domain == {
        "DomainName": "sms.example.com",
        "RegionalCertificateArn": CERTIFICATE,
        "EndpointConfiguration": {"Types": ["REGIONAL"]},
        "SecurityPolicy": "TLS_1_2",
    }
    mapping = resources["DomainMapping"]["Properties"]
    stage = resources[mapping["Stage"]["Ref"]]
    assert (stage["Type"], stage["Properties"]["StageName"]) == ("AWS::ApiGateway::Stage", "v1")
    assert mapping["BasePath"] == "v1"
    assert mapping["RestApiId"] == {"Ref": "Api"}
    assert "DomainRecord" not in resources
    outputs = transformed()["Outputs"]
    for name in ("DomainTarget", "DomainTargetZoneId"):
        assert outputs[name]["Condition"] == "HasDomain"


def test_a_hosted_zone_gets_the_domains_record() -> None:
    record = resolved(**DOMAIN, HostedZoneId="Z1")["DomainRecord"]["Properties"]
    assert (record["HostedZoneId"], record["Name"], record["Type"]) == (
        "Z1",
        "sms.example.com",
        "A",
    )
    assert record["AliasTarget"] == {
        "DNSName": {"Fn::GetAtt": ["Domain", "RegionalDomainName"]},
        "HostedZoneId": {"Fn::GetAtt": ["Domain", "RegionalHostedZoneId"]},
    }


def test_callbacks_and_outputs_follow_the_domain() -> None:
    from_domain = {"Fn::Join": ["", [{"Fn::Sub": "https://${DomainName}/v1"}, "/callbacks"]]}
    assert callback_url(**DOMAIN) == from_domain
    own = "https://api.example.com/v1"
    assert callback_url(PublicUrl=own) == {"Fn::Join": ["", [own, "/callbacks"]]}
    assert "FunctionUrl" in json.dumps(callback_url())
    outputs = transformed()["Outputs"]
    for name in ("Url", "CallbackUrl"):
        assert "https://${DomainName}/v1" in json.dumps(outputs[name]["Value"])


def asserted(written: Any, given: dict[str, str]) -> Any:
    """What a rule's condition comes to with these parameters."""
    if not isinstance(written, dict):
        return written
    ((name, value),) = written.items()
    if name == "Ref":
        return given.get(value, transformed()["Parameters"][value]["Default"])
    parts = [asserted(one, given) for one in value]
    match name:
        case "Fn::Equals":
            return parts[0] == parts[1]
        case "Fn::Not":
            return not parts[0]
        case "Fn::And":
            return all(parts)
        case "Fn::Or":
            return any(parts)
    raise ValueError(f"what is {name}?")


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ({}, True),
        (DOMAIN, True),
        ({**DOMAIN, "HostedZoneId": "Z1"}, True),
        ({**DOMAIN, "DefaultEndpoint": "closed"}, True),
        ({"PublicUrl": "https://a.example/v1"}, True),
        ({"PublicUrl": "https://a.example/v1", "DefaultEndpoint": "closed"}, True),
        ({"DomainName": "sms.example.com"}, False),
        ({"CertificateArn": CERTIFICATE}, False),
        ({"HostedZoneId": "Z1"}, False),
        ({"PublicUrl": "https://a.example/v1", "HostedZoneId": "Z1"}, False),
        ({**DOMAIN, "PublicUrl": "https://a.example/v1"}, False),
        ({"DefaultEndpoint": "closed"}, False),
    ],
)
def test_half_given_parameters_are_refused_before_anything_changes(
    given: dict[str, str], accepted: bool
) -> None:
    rules = [transformed()["Rules"][name] for name in ("WholeDomain", "OneAddressAtLeast")]
    assertions = [one["Assert"] for rule in rules for one in rule["Assertions"]]
    assert all(asserted(one, given) for one in assertions) == accepted


@pytest.mark.parametrize(("value", "closed"), [("open", False), ("closed", True)])
def test_the_default_endpoint_is_closed_only_when_asked_and_then_at_once(
    value: str, closed: bool
) -> None:
    resources = resolved(**DOMAIN, DefaultEndpoint=value)
    body = resources["Api"]["Properties"]["Body"]
    place = body.get("servers", [body])[0]  # OpenAPI 3, or Swagger
    settings = place["x-amazon-apigateway-endpoint-configuration"]
    assert settings["disableExecuteApiEndpoint"] is closed
    # A new deployment is made each time, or the stage would not learn of it.
    assert TEMPLATE["Resources"]["Api"]["Properties"]["AlwaysDeploy"] is True


def test_a_web_acl_guards_the_stage() -> None:
    association = resolved(WebAclArn=WEB_ACL)["WebAclAssociation"]["Properties"]
    assert association["WebACLArn"] == WEB_ACL
    arn = association["ResourceArn"]["Fn::Sub"]
    found = re.fullmatch(
        r"arn:\$\{AWS::Partition\}:apigateway:\$\{AWS::Region\}::/restapis/\$\{Api\}/stages/\$\{(\w+)\}",
        arn,
    )
    assert found
    assert resolved()[found[1]]["Type"] == "AWS::ApiGateway::Stage"


# --- key


def test_without_a_key_everything_is_encrypted_by_aws_and_nothing_asks_kms() -> None:
    resources = resolved(**EVERYTHING)
    for name, queue in of_type(resources, "AWS::SQS::Queue").items():
        assert queue["SqsManagedSseEnabled"] is True, name
        assert "KmsMasterKeyId" not in queue, name
    assert "SSESpecification" not in resources["Table"]["Properties"]
    assert "aws:kms" not in json.dumps(resources)
    assert not of_type(resources, "AWS::IAM::Policy")
    decrypts = [name for name, one in resources.items() if "kms:" in json.dumps(one)]
    assert decrypts == ["FromCognitoFunctionRole"]  # the user pool's key


def test_a_key_encrypts_table_queues_topic_bucket_secrets_and_logs() -> None:
    resources = resolved(**EVERYTHING, KmsKeyArn=KEY)
    queues = of_type(resources, "AWS::SQS::Queue")
    assert len(queues) > 2 * len(VENDORS)
    for name, queue in queues.items():
        assert queue["KmsMasterKeyId"] == KEY, name
        assert "SqsManagedSseEnabled" not in queue, name  # the two exclude each other
    assert resources["Table"]["Properties"]["SSESpecification"] == {
        "SSEEnabled": True,
        "SSEType": "KMS",
        "KMSMasterKeyId": KEY,
    }
    topics = of_type(resources, "AWS::SNS::Topic")
    assert topics
    assert {one["KmsMasterKeyId"] for one in topics.values()} == {KEY}
    buckets = of_type(resources, "AWS::S3::Bucket")
    assert buckets
    for bucket in buckets.values():
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule == {
            "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY},
            "BucketKeyEnabled": True,
        }
    groups = of_type(resources, "AWS::Logs::LogGroup")
    assert groups
    kept = groups | of_type(resources, "AWS::SecretsManager::Secret")
    assert {one["KmsKeyId"] for one in kept.values()} == {KEY}
    assert transformed()["Outputs"]["KmsKeyArn"] == {
        "Condition": "HasKey",
        "Description": "The KMS key for what smsgw makes.",
        "Value": {"Ref": "KmsKeyArn"},
    }


def statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    return [s for one in role.get("Policies", []) for s in one["PolicyDocument"]["Statement"]]


@pytest.mark.parametrize("parameters", [{}, EVERYTHING], ids=["default", "everything"])
def test_each_functions_role_may_do_with_the_key_what_it_needs_and_no_more(
    parameters: dict[str, str],
) -> None:
    resources = resolved(**parameters, KmsKeyArn=KEY)
    granted: dict[str, set[str]] = {}
    for policy in of_type(resources, "AWS::IAM::Policy").values():
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Resource"]) == ("Allow", KEY)
        for role in policy["Roles"]:
            assert role["Ref"] in resources
            assert role["Ref"] not in granted
            granted[role["Ref"]] = set(every(statement["Action"]))
    roles = of_type(resources, "AWS::IAM::Role")
    functions = of_type(resources, "AWS::Lambda::Function").values()
    used = {one["Role"]["Fn::GetAtt"][0] for one in functions}
    used -= {"ConsoleFunctionRole"}  # it reads nothing but its own files
    assert set(granted) == used
    for name in used:
        actions = {a for s in statements(roles[name]) for a in every(s["Action"])}
        needs = {"kms:Decrypt"} | ({"kms:GenerateDataKey"} if actions & PUTS else set())
        assert granted[name] == needs, name


def test_environments_hold_names_only_and_need_no_key() -> None:
    functions = of_type(resolved(**EVERYTHING, KmsKeyArn=KEY), "AWS::Lambda::Function")
    for function in functions.values():
        assert "KmsKeyArn" not in function
        assert "GetSecretValue" not in json.dumps(function["Environment"])
        assert "resolve:secretsmanager" not in json.dumps(function["Environment"])


# --- the key's policy, as the guide shows it


def key_policy() -> list[dict[str, Any]]:
    (block,) = re.findall(r"```json key-policy.json\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    found: list[dict[str, Any]] = json.loads(block)["Statement"]
    return found


def may(principal: str) -> set[str]:
    return {
        action
        for one in key_policy()
        if principal in every(one["Principal"].get("Service", []))
        for action in every(one["Action"])
    }


def writers(resources: dict[str, dict[str, Any]]) -> set[str]:
    """The services that put into the stack's queues and topics."""
    kinds = ("AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy")
    return {
        str(service)
        for kind in kinds
        for one in of_type(resources, kind).values()
        for statement in one["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow" and isinstance(statement["Principal"], dict)
        for service in every(statement["Principal"].get("Service", []))
    }


def test_the_guides_key_policy_lets_every_service_write_that_must() -> None:
    resources = resolved(**EVERYTHING, KmsKeyArn=KEY)
    # CloudWatch's alarms reach the topic.
    must = writers(resources) | {"cloudwatch.amazonaws.com"}
    assert {"s3.amazonaws.com", "events.amazonaws.com", "sns.amazonaws.com"} <= must
    for service in must:
        assert {"kms:Decrypt", "kms:GenerateDataKey*"} <= may(service), service
    assert {"kms:Encrypt*", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"} <= may(
        "logs.REGION.amazonaws.com"
    )
    got = {
        str(service)
        for one in key_policy()
        for service in every(one["Principal"].get("Service", []))
    }
    assert got == must | {"logs.REGION.amazonaws.com"}


def test_the_guides_key_policy_keeps_the_key_within_the_account() -> None:
    for one in key_policy():
        principal = one["Principal"]
        if "Service" in principal and every(principal["Service"]) != ["events.amazonaws.com"]:
            assert "ACCOUNT" in json.dumps(one["Condition"]), one["Sid"]
        if "AWS" in principal:
            assert principal["AWS"] == "arn:aws:iam::ACCOUNT:root"
