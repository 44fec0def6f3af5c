"""Who may do what, in the template as AWS gets it."""

import json
from typing import Any

import pytest

from testing.template import rights
from testing.transformed import of_type, resolved
from tools.policies import EVERYTHING

BASIC = "AWSLambdaBasicExecutionRole"
NETWORK = "AWSLambdaVPCAccessExecutionRole"
DEPLOYMENTS: dict[str, dict[str, str]] = {"default": {}, "everything": EVERYTHING}
# Of each function the partitions that it may read, and those that it may write; what their items
# are says docs/data-model.md. `0*` is batches, campaigns and verifications: all that have a ULID.
ACCEPTS = (
    {"0*", "REQUEST#*", "HOOKS#*", "SETTINGS", "ACCOUNTS", "DESCRIPTION#*", "BALANCE#*", "GUARD#*"},
    {"0*", "REQUEST#*", "GUARD#*", "QUOTA#*"},
)
PARTITIONS: dict[str, tuple[set[str], set[str]]] = {
    "AuthorizeFunction": ({"KEYS"}, {"KEY_USES"}),
    "ConsoleFunction": (set(), set()),
    "SendFunction": ({*ACCEPTS[0], "QUOTA#*"}, ACCEPTS[1]),
    "FromEventbridgeFunction": ACCEPTS,
    "FromSqsFunction": ACCEPTS,
    "FromSnsFunction": ACCEPTS,
    "FromCognitoFunction": ACCEPTS,
    "FromInvocationFunction": ACCEPTS,
    "StatusFunction": (
        {"0*", "COUNTS#*", "QUOTA#*", "REPORTS#*", "SEARCH#*", "SETTINGS"},
        {"COUNTS#*", "REPORTS#*"},
    ),
    "DispatchFunction": (
        {"0*", "CIRCUIT", "RATE#*", "SETTINGS", "DESCRIPTION#*"},
        {"0*", "CIRCUIT", "RATE#*", "V#*"},
    ),
    "CallbackFunction": ({"0*", "V#*", "ACCOUNTS", "DESCRIPTION#*"}, {"0*"}),
    "SchedulerFunction": (
        {
            "0*",
            "BALANCE#*",
            "HOOK#*",
            "HOOKS#*",
            "SCHEDULER",
            "SETTINGS",
            "SEARCH",
            "SEARCH#*",
            "DESCRIPTION#*",
        },
        {"0*", "BALANCE#*", "HOOK#*", "SCHEDULER", "SEARCH", "SEARCH#*"},
    ),
    "VerifyFunction": (
        {
            "0*",
            "REQUEST#*",
            "SENDS#*",
            "SETTINGS",
            "ACCOUNTS",
            "DESCRIPTION#*",
            "BALANCE#*",
            "GUARD#*",
        },
        {"0*", "REQUEST#*", "SENDS#*", "GUARD#*", "QUOTA#*"},
    ),
    "CampaignsFunction": (
        {"0*", "BALANCE#*", "CAMPAIGNS", "CAMPAIGNS#*", "COUNTS#*", "SETTINGS"},
        {"0*", "CAMPAIGNS", "CAMPAIGNS#*", "COUNTS#*"},
    ),
    "CampaignWorkerFunction": (
        {"0*", "CAMPAIGNS", "CAMPAIGNS#*", "COUNTS#*", "HOOKS#*", "KEYS", "QUOTA#*"}
        | {"SETTINGS", "ACCOUNTS", "BALANCE#*", "GUARD#*", "RATE#*", "DESCRIPTION#*"},
        {"0*", "CAMPAIGNS", "CAMPAIGNS#*", "COUNTS#*", "PLANNED#*", "QUOTA#*", "GUARD#*"},
    ),
    "PublishEventsFunction": ({"0*"}, set()),
    "QueueWebhooksFunction": ({"0*", "HOOKS#*"}, set()),
    "WebhooksFunction": ({"HOOK#*", "HOOKS#*", "SETTINGS"}, {"HOOK#*", "HOOKS#*"}),
    "DeliverWebhooksFunction": ({"HOOK#*", "HOOKS#*", "SETTINGS"}, {"HOOK#*", "HOOKS#*"}),
    "BalanceFunction": ({"BALANCE#*", "CIRCUIT", "SETTINGS", "DESCRIPTION#*"}, {"BALANCE#*"}),
    "VendorAccountFunction": (
        {"CODES#*", "REQUEST#*", "SETTINGS", "UNLOCKS#*", "VERSION#*", "DESCRIPTION#*"},
        {"CODES#*", "REQUEST#*", "UNLOCKS#*", "VERSION#*"},
    ),
}
READS = {"BatchGetItem", "ConditionCheckItem", "GetItem", "Query"}
WRITES = {"BatchWriteItem", "DeleteItem", "PutItem", "UpdateItem"}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]


def roles(**parameters: str) -> dict[str, dict[str, Any]]:
    """Each function's role."""
    resources = resolved(**parameters)
    return {
        name: resources[one["Role"]["Fn::GetAtt"][0]]["Properties"]
        for name, one in of_type(resources, "AWS::Lambda::Function").items()
    }


@pytest.mark.parametrize("parameters", DEPLOYMENTS.values(), ids=DEPLOYMENTS)
def test_no_role_has_a_ready_made_policy_but_logs_and_with_subnets_its_network(
    parameters: dict[str, str],
) -> None:
    functions = of_type(resolved(**parameters), "AWS::Lambda::Function")
    for name, role in roles(**parameters).items():
        allowed = {BASIC, NETWORK} if "VpcConfig" in functions[name] else {BASIC}
        given = {
            str(one).rpartition("/")[2].strip("'}") for one in role.get("ManagedPolicyArns", [])
        }
        assert given <= allowed, name


def test_a_source_is_read_by_rights_on_its_one_queue_or_stream() -> None:
    wanted = {
        "SQS": {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"},
        "DynamoDB": {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"},
    }
    reads: dict[str, list[str]] = {}
    for one in of_type(resolved(**EVERYTHING), "AWS::Lambda::EventSourceMapping").values():
        reads.setdefault(one["FunctionName"]["Ref"], []).append(str(one["EventSourceArn"]))
    assert reads
    every = set().union(*wanted.values())
    for name, role in roles(**EVERYTHING).items():
        granted: dict[str, set[str]] = {}
        for statement in statements(role):
            for resource in listed(statement["Resource"]):
                if actions := every & set(listed(statement["Action"])):
                    granted.setdefault(str(resource), set()).update(actions)
        assert sorted(granted) == sorted(reads.get(name, [])), name
        for source, actions in granted.items():
            assert actions == wanted["DynamoDB" if "StreamArn" in source else "SQS"]


def test_only_a_traced_function_may_write_traces() -> None:
    def traces(**parameters: str) -> set[str]:
        return {name for name, role in roles(**parameters).items() if "xray" in json.dumps(role)}

    assert traces() == set()
    assert traces(Tracing="Active") == set(roles())


def test_a_function_writes_into_the_stacks_own_log_only() -> None:
    for role in roles(**EVERYTHING).values():
        logs = [one for one in statements(role) if "logs:" in str(one["Action"])]
        assert [one["Resource"] for one in logs] == [{"Fn::GetAtt": ["Logs", "Arn"]}]


def test_every_right_on_items_names_their_partitions() -> None:
    for name, role in roles(**EVERYTHING).items():
        for one in statements(role):
            if one["Resource"] == {"Fn::GetAtt": ["Table", "Arn"]}:
                assert list(one["Condition"]) == ["ForAllValues:StringLike"], name
                keys = one["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
                assert keys, name
                assert "*" not in keys, name


def partitions(role: dict[str, Any], actions: set[str]) -> set[str]:
    """The partitions on which a role has one of these actions of DynamoDB."""
    return {
        key
        for one in statements(role)
        if one["Resource"] == {"Fn::GetAtt": ["Table", "Arn"]}
        if {action.partition(":")[2] for action in listed(one["Action"])} & actions
        for key in one["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    }


def test_each_function_reads_and_writes_its_own_partitions_only() -> None:
    found = {
        name: (partitions(role, READS), partitions(role, WRITES))
        for name, role in roles(**EVERYTHING).items()
    }
    assert found == PARTITIONS


def test_no_right_on_the_table_is_without_a_partition() -> None:
    """A scan and PartiQL's statements name no leading key, which `ForAllValues` lets pass."""
    for name, role in roles(**EVERYTHING).items():
        for one in statements(role):
            if one["Resource"] == {"Fn::GetAtt": ["Table", "Arn"]}:
                actions = {action.partition(":")[2] for action in listed(one["Action"])}
                assert actions <= READS | WRITES, name


def test_who_is_open_to_strangers_writes_messages_and_nothing_that_they_are_sent_by() -> None:
    writes = partitions(roles(**EVERYTHING)["CallbackFunction"], WRITES)
    assert writes == {"0*"}


def test_an_invocation_may_do_what_a_triggers_send_needs_and_no_more() -> None:
    """As for a trigger without its dead letters."""
    given = roles(**EVERYTHING)
    letters = "SendToDeadLetterQueue"
    queue = [one for one in statements(given["FromEventbridgeFunction"]) if one["Sid"] != letters]
    assert statements(given["FromInvocationFunction"]) == queue


def test_an_api_key_is_read_where_it_is_asked_for_and_written_by_no_function() -> None:
    may = {
        (name, action)
        for name in roles(**EVERYTHING)
        for one in rights(name)
        if '"KEYS"' in json.dumps(one)
        for action in listed(one["Action"])
    }
    assert may == {
        ("AuthorizeFunction", "dynamodb:GetItem"),
        ("CampaignWorkerFunction", "dynamodb:Query"),  # whether the tenant has one
    }


def test_plain_http_is_refused_by_the_bucket_each_queue_and_the_topic() -> None:
    resources = resolved(**EVERYTHING)
    guards = {
        "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", "Queues"),
        "AWS::SNS::Topic": ("AWS::SNS::TopicPolicy", "Topics"),
        "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", "Bucket"),
    }
    for kind, (policy_kind, member) in guards.items():
        held: list[str] = []
        for policy in of_type(resources, policy_kind).values():
            held += [one["Ref"] for one in listed(policy[member])]
            (refusal,) = (
                one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"
            )
            assert refusal["Principal"] == "*"
            assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        # A second policy of a queue would replace the first.
        assert sorted(held) == sorted(of_type(resources, kind))


def test_every_service_that_has_a_right_acts_for_this_account_or_for_one_resource() -> None:
    resources = resolved(**EVERYTHING)
    for name, one in of_type(resources, "AWS::Lambda::Permission").items():
        if str(one["Principal"]).endswith("amazonaws.com"):
            assert {"SourceArn", "SourceAccount"} & set(one), name
    for name, one in resources.items():
        properties = one.get("Properties", {})
        for policy in ("PolicyDocument", "AssumeRolePolicyDocument", "Policy"):
            for statement in properties.get(policy, {}).get("Statement", []):
                if "Service" in statement.get("Principal", {}):
                    condition = json.dumps(statement["Condition"])
                    assert "aws:SourceA" in condition, name


def test_a_roles_own_policies_are_not_longer_than_iam_takes() -> None:
    longest = 10_240  # characters, without white space
    for role in of_type(resolved(**EVERYTHING), "AWS::IAM::Role").values():
        # An ARN is longer than its reference: for each some 100 characters.
        written = json.dumps(role["Policies"], separators=(",", ":"))
        assert len(written) + 100 * written.count("Fn::") < longest
