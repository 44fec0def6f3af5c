"""The template: least privilege, bounded times, alarms, and the contract's routes."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from samcli.yamlhelper import yaml_parse

from sms_gateway.aws import clients
from sms_gateway.campaigns import model as campaign
from sms_gateway.campaigns import results, time_budget
from sms_gateway.core.event import EVENT_OF_STATUS
from sms_gateway.core.status import Status
from sms_gateway.dispatch import vendor_session
from sms_gateway.events import eventbridge, stream_reader
from sms_gateway.scheduler import tick, tick_run
from sms_gateway.storage import idempotency_keys
from sms_gateway.vendor_accounts import calls
from sms_gateway.vendor_accounts.balances import TIMEOUT_SECONDS
from sms_gateway.vendors import http_client
from sms_gateway.verifications import check
from sms_gateway.webhooks import attempt
from testing.template import deployed, enabled, rights
from tools import generate

ROOT = Path(__file__).parent.parent.parent
CORE = ROOT / "layers" / "gateway" / "sms_gateway"
TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
GLOBALS: dict[str, Any] = TEMPLATE["Globals"]["Function"]
CONTRACT: dict[str, Any] = yaml.safe_load((ROOT / "openapi.yaml").read_text())
METHODS = ("get", "post", "delete", "put", "patch")
API_LIMIT = 29  # seconds that API Gateway waits for a function


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of all resources of a type, by name."""
    return {n: one["Properties"] for n, one in RESOURCES.items() if one["Type"] == kind}


FUNCTIONS = of_type("AWS::Serverless::Function")
QUEUES = of_type("AWS::SQS::Queue")
DEAD = {name for name in QUEUES if name.endswith("DeadLetters")}
# Functions that take what sources bring, each with the condition that turns it on and the beginning
# of its dead-letter queue's name.
TAKERS = {
    "FromEventbridgeFunction": ("FromBus", "FromEventbridge"),
    "FromSqsFunction": ("FromQueue", "FromSqs"),
    "FromSnsFunction": ("FromTopic", "FromSns"),
    "FromCognitoFunction": ("FromCognito", "FromCognito"),
}


def folder(function: str) -> str:
    return str(FUNCTIONS[function]["CodeUri"]).rpartition("/")[2]


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in FUNCTIONS:
        for statement in rights(name):
            yield f"{name}/{statement['Sid']}", statement


def every(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def timeout(function: str) -> int:
    return int(FUNCTIONS[function].get("Timeout", GLOBALS["Timeout"]))


@pytest.mark.parametrize(
    "statement", [one for _, one in statements()], ids=[n for n, _ in statements()]
)
def test_permissions_name_each_action_and_each_resource(statement: dict[str, Any]) -> None:
    assert statement["Effect"] == "Allow"
    for action in every(statement["Action"]):
        assert re.fullmatch(r"[a-z0-9]+:[A-Z][A-Za-z]+", action)
    for resource in every(statement["Resource"]):
        # IAM knows no resources of these; interfaces have names that nobody knows before.
        if statement["Sid"] in ("JoinNetwork", "ListStreams", "SeeNetworks", "Trace"):
            continue
        written = str(resource)
        if written.startswith("{'Fn::Sub': '${CampaignsBucket.Arn}/"):
            written = written.replace("/*'}", "'}")  # the files of a folder
        assert "*" not in written
    assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}


def test_every_function_has_a_role_of_its_own() -> None:
    for name, properties in FUNCTIONS.items():
        assert properties["Role"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]}
        assert RESOURCES[f"{name}Role"].get("Condition") == RESOURCES[name].get("Condition")
        assert "Policies" not in properties


SECRETS = (
    "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${AWS::StackName}"
)


def readers(secret: str, label: str | None = None) -> set[str]:
    """Who may read a secret; with a label only the version that has it."""
    only = {"StringEquals": {"secretsmanager:VersionStage": label}} if label else None
    return {
        name.partition("/")[0]
        for name, one in statements()
        if "secretsmanager:GetSecretValue" in every(one["Action"])
        and {"Fn::Sub": f"{SECRETS}/{secret}-??????"} in every(one["Resource"])
        and one.get("Condition") == only
    }


def test_each_secret_is_read_by_those_that_need_it() -> None:
    callers = {"DispatchFunction", "SchedulerFunction", "VerifyFunction", "VendorAccountFunction"}
    assert readers("vendors") == callers | {"BalanceFunction"}
    tellers = {"DeliverWebhooksFunction", "WebhooksFunction"}
    assert readers("keys", "WEBHOOK_KEY") == tellers
    assert readers("keys", "CALLBACK_KEY") == {"CallbackFunction", "DispatchFunction"}
    others = {"AuthorizeFunction", "BalanceFunction", "StatusFunction", *tellers}
    others |= {"ConsoleFunction", "PublishEventsFunction", "QueueWebhooksFunction"}
    assert readers("keys", "MESSAGE_KEY") == set(FUNCTIONS) - others
    assert readers("keys", "SEARCH_KEY") == {"StatusFunction"}


def test_nobody_reads_a_secret_of_another_name_or_every_version_of_the_keys() -> None:
    """A request that names a version by its id has no label: the condition refuses it."""
    rights = [one for _, one in statements() if "secretsmanager:" in str(one["Action"])]
    assert all(every(one["Action"]) == ["secretsmanager:GetSecretValue"] for one in rights)
    assert {str(one["Resource"]) for one in rights} == {
        str({"Fn::Sub": f"{SECRETS}/{secret}-??????"}) for secret in ("keys", "vendors")
    }
    assert readers("keys") == set()


@pytest.mark.parametrize("function", ["DeliverWebhooksFunction", "WebhooksFunction"])
def test_those_that_serve_webhooks_have_no_other_part_of_the_table(function: str) -> None:
    found = [
        one
        for name, one in statements()
        if name.startswith(f"{function}/") and one["Resource"] == {"Fn::GetAtt": ["Table", "Arn"]}
    ]
    settings = [one for one in found if one["Sid"] == "ReadSettings"]  # who is stopped
    assert [one["Action"] for one in settings] == ["dynamodb:GetItem"]
    only = {"dynamodb:LeadingKeys": ["HOOK#*", "HOOKS#*"]}
    others = [one["Condition"] for one in found if one not in settings]
    assert others == [{"ForAllValues:StringLike": only}]


def test_there_is_a_queue_for_each_vendor_and_one_for_codes() -> None:
    variables = FUNCTIONS["SendFunction"]["Environment"]["Variables"]
    assert {name for name in variables if name.startswith("QUEUE_")} == {
        f"QUEUE_{name.upper()}" for name in (*generate.QUEUES, "declared")
    }
    described = variables["QUEUE_DECLARED"]
    assert described == {"Fn::If": ["DescribesVendors", {"Ref": "DeclaredQueue"}, ""]}
    named = {variables[f"QUEUE_{name.upper()}"]["Ref"] for name in generate.QUEUES}
    assert named == {f"{name.capitalize()}Queue" for name in generate.QUEUES}
    assert sources("DispatchFunction") == {*named, "DeclaredQueue"}


def sources(function: str) -> set[str]:
    """The queues that feed a function."""
    events = FUNCTIONS[function].get("Events", {}).values()
    own = {one["Properties"]["Queue"]["Fn::GetAtt"][0] for one in events if one["Type"] == "SQS"}
    mapped = of_type("AWS::Lambda::EventSourceMapping").values()  # where a condition makes it
    return own | {
        one["EventSourceArn"]["Fn::GetAtt"][0]
        for one in mapped
        if one["FunctionName"] == {"Ref": function}
    }


def test_every_queue_feeds_one_function() -> None:
    fed = [queue for function in FUNCTIONS for queue in sources(function)]
    assert sorted(fed) == sorted(set(QUEUES) - DEAD)


@pytest.mark.parametrize("queue", sorted(set(QUEUES) - DEAD))
def test_a_queue_waits_for_its_worker_and_has_a_dead_letter_queue(queue: str) -> None:
    properties = QUEUES[queue]
    (worker,) = (function for function in FUNCTIONS if queue in sources(function))
    assert properties["VisibilityTimeout"] == 6 * timeout(worker)
    redrive = properties["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"]["Fn::GetAtt"][0] in DEAD
    assert redrive["maxReceiveCount"] >= 5
    by_sqs = properties["SqsManagedSseEnabled"]
    assert by_sqs == {"Fn::If": ["HasKey", {"Ref": "AWS::NoValue"}, True]}


@pytest.mark.parametrize("queue", sorted(DEAD))
def test_each_dead_letter_queue_has_one_user_and_an_alarm(queue: str) -> None:
    users = [
        name
        for name, one in QUEUES.items()
        if one.get("RedrivePolicy", {}).get("deadLetterTargetArn", {}).get("Fn::GetAtt")
        == [queue, "Arn"]
    ]
    users += [
        name
        for name, one in FUNCTIONS.items()
        if one.get("DeadLetterQueue", {}).get("TargetArn") == {"Fn::GetAtt": [queue, "Arn"]}
    ]
    users += [
        name
        for name, one in FUNCTIONS.items()
        for event in one.get("Events", {}).values()
        if event["Properties"].get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        == {"Fn::GetAtt": [queue, "Arn"]}
    ]
    shared = {  # a letter names its function, or finds its lane again by itself
        "StreamDeadLetters": ["PublishEventsFunction", "QueueWebhooksFunction"],
        "DeliveryDeadLetters": ["DeliveryQueue", "SlowDeliveryQueue"],
    }
    assert users == shared[queue] if queue in shared else len(users) == 1
    alarms = [
        one
        for one in of_type("AWS::CloudWatch::Alarm").values()
        if {"Name": "QueueName", "Value": {"Fn::GetAtt": [queue, "QueueName"]}}
        in every(one.get("Dimensions", []))
    ]
    assert len(alarms) == 1
    assert (alarms[0]["MetricName"], alarms[0]["Threshold"]) == (
        "ApproximateNumberOfMessagesVisible",
        0,
    )
    assert QUEUES[queue]["MessageRetentionPeriod"] == 1_209_600


@pytest.mark.parametrize("function", TAKERS)
def test_a_source_is_off_unless_a_parameter_turns_it_on_and_then_buries_what_fails(
    function: str,
) -> None:
    condition, name = TAKERS[function]
    letters, alarm = f"{name}DeadLetters", f"{name}DeadLettersAlarm"
    for resource in (function, letters, alarm):
        assert RESOURCES[resource]["Condition"] == condition
    variables = FUNCTIONS[function]["Environment"]["Variables"]
    assert variables["DEAD_LETTERS"] == {"Ref": letters}
    (bury,) = (one for key, one in statements() if key == f"{function}/SendToDeadLetterQueue")
    assert bury["Resource"] == {"Fn::GetAtt": [letters, "Arn"]}
    if function != "FromSqsFunction":  # whose queue has it
        assert FUNCTIONS[function]["DeadLetterQueue"]["TargetArn"] == {
            "Fn::GetAtt": [letters, "Arn"]
        }
    buries = {  # those that deliver to the function, before it takes what they bring
        "FromEventbridgeFunction": ("SendMessage", "DeadLetterConfig", "Arn"),
        "FromSnsFunction": ("Notification", "RedrivePolicy", "deadLetterTargetArn"),
    }
    if function in buries:
        event, policy, target = buries[function]
        properties = FUNCTIONS[function]["Events"][event]["Properties"]
        assert properties[policy] == {target: {"Fn::GetAtt": [letters, "Arn"]}}
        assert RESOURCES[f"{letters}Policy"]["Condition"] == condition
    assert timeout(function) < idempotency_keys.IN_PROGRESS_SECONDS
    assert timeout(function) < TEMPLATE["Parameters"]["RequeueAfter"]["Default"]


def test_nothing_of_a_source_is_deployed_by_default() -> None:
    there = deployed(TEMPLATE)
    assert {"Bus", "SendFunction"} <= set(there)
    ways = ("From", "Bus", "Ingress", "Topic", "Cognito")
    assert {name for name in there if name.startswith(ways)} == {"Bus"}
    given = ("Bucket", "Bus", "Queue", "Topic", "Invocation")
    opened = {f"SendFrom{way}": {"Default": "true"} for way in given}
    opened["CognitoKeyArn"] = {"Default": "arn"}
    opened["Events"] = {"Default": "all"}
    opened["DeclaredVendors"] = {"Default": "true"}
    opened["Dashboard"] = opened["AccessLogs"] = opened["Console"] = {"Default": "true"}
    for name in ("DomainName", "HostedZoneId", "WebAclArn", "KmsKeyArn"):
        opened[name] = {"Default": "given"}
    every = deployed(TEMPLATE | {"Parameters": TEMPLATE["Parameters"] | opened})
    assert set(every) | set(there) == set(RESOURCES)  # a domain has no function URL beside it


def test_nobody_watches_a_queue_that_is_empty_by_default_but_those_of_submissions() -> None:
    watched = [
        event["Properties"]["Queue"]["Fn::GetAtt"][0]
        for name, one in deployed(TEMPLATE).items()
        if name in FUNCTIONS
        for event in one["Properties"].get("Events", {}).values()
        if event["Type"] == "SQS" and enabled(event, TEMPLATE)
    ]
    assert sorted(watched) == sorted(f"{name.capitalize()}Queue" for name in generate.QUEUES)


def test_an_upload_is_told_to_nobody_unless_campaigns_are_sent() -> None:
    # A notice that waits in the queue would be sent on the day when somebody turns campaigns on.
    got = RESOURCES["CampaignsBucket"]["Properties"]["NotificationConfiguration"]
    condition, notices, nothing = got["Fn::If"]
    assert (condition, nothing) == ("FromBucket", {"Ref": "AWS::NoValue"})
    folders = []
    for notice in notices["QueueConfigurations"]:
        assert notice["Queue"] == {"Fn::GetAtt": ["CampaignQueue", "Arn"]}
        (rule,) = notice["Filter"]["S3Key"]["Rules"]
        folders.append(rule["Value"])
    assert folders == [campaign.FOLDER, campaign.CHECK_FOLDER]


def test_other_accounts_may_put_only_what_is_to_be_sent() -> None:
    condition, policy, nothing = RESOURCES["Bus"]["Properties"]["Policy"]["Fn::If"]
    assert (condition, nothing) == ("FromOtherAccounts", {"Ref": "AWS::NoValue"})
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"AWS": {"Ref": "BusSenders"}}
    assert statement["Action"] == "events:PutEvents"
    assert statement["Condition"] == {"StringEquals": {"events:detail-type": "SendMessage"}}
    rule = FUNCTIONS["FromEventbridgeFunction"]["Events"]["SendMessage"]["Properties"]
    assert rule["Pattern"] == {"detail-type": ["SendMessage"]}


def test_every_alarm_goes_where_the_operator_wants_it() -> None:
    for name, one in of_type("AWS::CloudWatch::Alarm").items():
        assert "AlarmActions" in one, name


def test_every_source_reports_the_records_that_failed() -> None:
    found = [event for one in FUNCTIONS.values() for event in one.get("Events", {}).values()]
    for one in found:
        if one["Type"] in ("SQS", "DynamoDB"):
            assert one["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        if one["Type"] == "SQS":
            assert "MaximumConcurrency" in one["Properties"]["ScalingConfig"]


READERS = ("PublishEventsFunction", "QueueWebhooksFunction")
STREAMS = {name: FUNCTIONS[name]["Events"]["Changes"]["Properties"] for name in READERS}
PATTERNS = {
    name: [json.loads(one["Pattern"]) for one in stream["FilterCriteria"]["Filters"]]
    for name, stream in STREAMS.items()
}


@pytest.mark.parametrize("reader", READERS)
def test_the_stream_is_read_by_its_parts_and_nothing_is_thrown_away(reader: str) -> None:
    stream = STREAMS[reader]
    assert stream["Stream"] == {"Fn::GetAtt": ["Table", "StreamArn"]}
    assert stream["BisectBatchOnFunctionError"] is True
    assert stream["DestinationConfig"]["OnFailure"]["Type"] == "SQS"
    # An outage of a night needs nobody. The stream keeps a record for 24 hours: what is given up
    # must still be there to be fetched.
    assert stream["MaximumRecordAgeInSeconds"] == 12 * 3600
    assert stream["StartingPosition"] == "TRIM_HORIZON"
    assert len(PATTERNS[reader]) <= 5  # of an event source, without asking AWS for more


def test_the_stream_has_no_third_reader() -> None:
    """DynamoDB's page on Streams: more than two of a shard at once may be throttled."""
    readers = [
        name
        for name, one in FUNCTIONS.items()
        for event in one.get("Events", {}).values()
        if event["Type"] == "DynamoDB"
    ]
    assert readers == list(READERS)


@pytest.mark.parametrize("reader", READERS)
def test_the_stream_lets_every_final_status_through(reader: str) -> None:
    got = [
        set(one["dynamodb"]["NewImage"]["status"]["S"])
        for one in PATTERNS[reader]
        if set(one["dynamodb"]["NewImage"]) == {"status"}
    ]
    # A webhook's own status goes the way of the final ones.
    assert {str(one) for one in EVENT_OF_STATUS} | {"disabled"} == set().union(*got)
    assert {*(str(one) for one in Status if one.final), "disabled"} in got


def test_the_two_readers_differ_in_what_is_the_operators_alone() -> None:
    got, webhooks = (PATTERNS[name] for name in READERS)
    kept = [{"dynamodb": {"NewImage": {"sk": {"S": ["B", "BLOCKED", "C", "CACHE", "V"]}}}}]
    kept += [{"dynamodb": {"NewImage": {"pk": {"S": ["CIRCUIT"]}}}}]
    assert [one for one in got if one not in webhooks] == kept
    assert [one for one in webhooks if one not in got] == [
        {"dynamodb": {"NewImage": {"sk": {"S": ["B", "BLOCKED", "C", "V"]}}}}
    ]


def test_neither_reader_can_do_what_is_the_others() -> None:
    actions = {
        name: {
            (action, str(every(statement["Resource"])))
            for statement in rights(name)
            for action in every(statement["Action"])
        }
        for name in READERS
    }
    got, webhooks = (actions[name] for name in READERS)
    assert {action for action, _ in got - webhooks} == {"events:PutEvents"}
    assert webhooks - got == {("sqs:SendMessage", str([{"Fn::GetAtt": ["DeliveryQueue", "Arn"]}]))}


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_of_the_stream_answers_before_its_time_is_over(reader: str) -> None:
    def longest(config: Any) -> float:
        tries = config.retries["total_max_attempts"]
        pauses = sum(2**n for n in range(tries - 1))  # botocore's standard mode, at the most
        return float(tries * (config.connect_timeout + config.read_timeout) + pauses)

    spare = 2
    table, queue, bus = (clients.CONFIGS[name] for name in ("dynamodb", "sqs", "events"))
    send, read = stream_reader.SEND_RESERVE_SECONDS, stream_reader.READ_RESERVE_SECONDS
    assert longest(table) + send + spare <= read
    assert longest(table) + spare <= send  # the webhooks of a tenant
    assert longest(queue) + spare <= send
    assert longest(bus) + spare <= send
    # A bus that hangs is found out while there is time to answer.
    assert timeout(reader) - send >= eventbridge.MAX_ATTEMPTS * longest(bus)
    assert timeout(reader) - read >= 30


def test_a_clock_that_fails_or_stands_still_is_an_alarm() -> None:
    got = RESOURCES["SchedulerAlarm"]["Properties"]
    assert (got["Namespace"], got["MetricName"]) == ("AWS/Lambda", "Errors")
    assert got["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": "SchedulerFunction"}}]
    assert (got["Statistic"], got["Threshold"]) == ("Sum", 0)
    assert got["Period"] * got["EvaluationPeriods"] == 300
    assert got["TreatMissingData"] == "breaching"


@pytest.mark.parametrize(
    ("alarm", "reader", "switch"),
    [
        ("BusLateAlarm", "PublishEventsFunction", "HasBus"),
        ("WebhooksLateAlarm", "QueueWebhooksFunction", "HasWebhooks"),
    ],
)
def test_a_reader_that_falls_behind_is_an_alarm(alarm: str, reader: str, switch: str) -> None:
    assert RESOURCES[alarm]["Condition"] == switch
    got = RESOURCES[alarm]["Properties"]
    assert (got["Namespace"], got["MetricName"]) == ("AWS/Lambda", "IteratorAge")
    assert got["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": reader}}]
    age = STREAMS[reader]["MaximumRecordAgeInSeconds"]
    assert 60_000 <= got["Threshold"] < age * 1000 / 2  # milliseconds


@pytest.mark.parametrize(
    ("function", "source", "switch"),
    [
        ("PublishEventsFunction", "Changes", "HasBus"),
        ("QueueWebhooksFunction", "Changes", "HasWebhooks"),
        ("DeliverWebhooksFunction", "Fast", "HasWebhooks"),
        ("DeliverWebhooksFunction", "Slow", "HasWebhooks"),
    ],
)
def test_nothing_is_read_for_those_who_want_no_events(
    function: str, source: str, switch: str
) -> None:
    assert TEMPLATE["Parameters"]["Events"]["Default"] == "none"
    event = FUNCTIONS[function]["Events"][source]["Properties"]
    assert event["Enabled"] == {"Fn::If": [switch, True, False]}
    assert switch in TEMPLATE["Conditions"]


def test_an_attempt_at_a_webhook_is_over_before_its_function() -> None:
    # All of a delivery's attempts run side by side; resolving a name may take as long again.
    assert timeout("DeliverWebhooksFunction") >= 3 * attempt.TIMEOUT_SECONDS
    assert timeout("WebhooksFunction") > attempt.TIMEOUT_SECONDS


def test_every_function_outlives_what_it_may_have_to_wait_for() -> None:
    slowest_call = 25 + http_client.CONNECT_TIMEOUT_SECONDS  # the most that an account may set
    assert timeout("DispatchFunction") >= vendor_session.MAX_TIME_NEEDED_SECONDS + 2 * slowest_call
    assert timeout("DispatchFunction") < TEMPLATE["Parameters"]["InterruptedAfter"]["Default"]
    assert (
        slowest_call + tick_run.RESERVE_SECONDS < timeout("SchedulerFunction") < tick.LEASE_SECONDS
    )
    assert timeout("BalanceFunction") > TIMEOUT_SECONDS + http_client.CONNECT_TIMEOUT_SECONDS
    # An operation and a query right after it, both at their slowest; then it is not in progress.
    operation = (
        calls.TIMEOUT_SECONDS + calls.CONFIRM_SECONDS + 2 * http_client.CONNECT_TIMEOUT_SECONDS
    )
    assert operation < timeout("VendorAccountFunction") < idempotency_keys.IN_PROGRESS_SECONDS
    assert timeout("VerifyFunction") > check.TIMEOUT_SECONDS + http_client.CONNECT_TIMEOUT_SECONDS
    assert timeout("VerifyFunction") < check.IN_PROGRESS_SECONDS
    for name, properties in FUNCTIONS.items():
        if any(event["Type"] == "Api" for event in properties.get("Events", {}).values()):
            assert timeout(name) <= API_LIMIT
        assert properties["Description"]


def test_a_batch_that_is_being_written_is_older_than_its_function_when_given_up() -> None:
    for name in ("SendFunction", "CampaignWorkerFunction"):
        assert timeout(name) < TEMPLATE["Parameters"]["RequeueAfter"]["Default"]
    # A chunk that was begun and not accepted is begun again when its worker is surely dead.
    assert (
        timeout("CampaignWorkerFunction")
        < idempotency_keys.IN_PROGRESS_SECONDS
        < campaign.WORKER_TIMEOUT_SECONDS
    )
    assert timeout("CampaignWorkerFunction") > time_budget.CHUNK_SECONDS + results.PART_SECONDS


def routes() -> dict[tuple[str, str], dict[str, Any]]:
    """The template's routes: method and path, with the function and the event."""
    return {
        (event["Properties"]["Method"].lower(), event["Properties"]["Path"]): event["Properties"]
        | {"function": name}
        for name, properties in FUNCTIONS.items()
        for event in properties.get("Events", {}).values()
        if event["Type"] == "Api"
        if name != "ConsoleFunction"  # files, which are no part of the contract
    }


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method, path): operation
        for path, item in CONTRACT["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_the_routes_are_those_of_the_contract() -> None:
    """API Gateway answers two by itself."""
    its_own = {("get", "/openapi.json"), ("get", "/problems/{problem}")}
    assert {*routes()} | its_own == set(operations())
    assert not its_own & {*routes()}


@pytest.mark.parametrize("route", sorted(routes()), ids=" ".join)
def test_a_route_is_open_only_where_the_contract_says_so(route: tuple[str, str]) -> None:
    is_open = routes()[route].get("Auth", {}).get("Authorizer") == "NONE"
    assert is_open == (operations()[route].get("security", CONTRACT["security"]) == [])


def test_all_other_routes_ask_for_a_key() -> None:
    auth = RESOURCES["Api"]["Properties"]["Auth"]
    assert auth["DefaultAuthorizer"] in auth["Authorizers"]
    assert CONTRACT["security"]


@pytest.mark.parametrize("route", sorted(routes()), ids=" ".join)
def test_a_routes_function_answers_it(route: tuple[str, str]) -> None:
    method, path = route
    source = (ROOT / "functions" / folder(routes()[route]["function"]) / "app.py").read_text()
    if path.startswith("/callbacks"):
        assert "handle_callback" in source
        return
    pattern = re.escape(re.sub(r"\{\w+\}", "<>", path)).replace("<>", r"<\w+>")
    assert re.search(rf'@app\.{method}\("{pattern}"\)', source)


def test_the_table_keeps_and_forgets_what_it_should() -> None:
    table = RESOURCES["Table"]
    properties = table["Properties"]
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    recovery = properties["PointInTimeRecoverySpecification"]
    assert recovery["PointInTimeRecoveryEnabled"] is True
    assert properties["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert table["UpdateReplacePolicy"] == "Retain"
    assert "Retain" in table["DeletionPolicy"]


def reads(path: Path) -> set[str]:
    """The names in `os.environ["X"]`, with * for the part that is not written out; also those
    that a setting is made with."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            if isinstance(node.slice, ast.Constant):
                found.add(str(node.slice.value))
            elif isinstance(node.slice, ast.JoinedStr):
                found.add(f"{ast.unparse(node.slice)[2:].partition('{')[0]}*")
        elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("CachedSetting"):
            found |= {
                str(one.value)
                for one in node.args
                if isinstance(one, ast.Constant) and str(one.value).isupper()
            }
    return found


def used(path: Path, seen: set[Path]) -> set[Path]:
    """A file and all of the core's that it imports."""
    seen.add(path)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sms_gateway."):
            place = CORE.joinpath(*str(node.module).split(".")[1:])
            modules = (
                [place / f"{alias.name}.py" for alias in node.names]
                if place.is_dir()
                else [place.with_suffix(".py")]
            )
            for module in modules:
                if module not in seen:
                    used(module, seen)
    return seen


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_a_function_has_every_variable_that_its_code_reads(function: str) -> None:
    variables = set(GLOBALS["Environment"]["Variables"])
    variables |= set(FUNCTIONS[function].get("Environment", {}).get("Variables", {}))
    path = ROOT / "functions" / folder(function) / "app.py"
    code = used(path, set())
    wanted = set().union(*(reads(one) for one in code)) - {"AWS_LAMBDA_FUNCTION_NAME"}  # AWS's own
    if not any("sqs.enqueue(" in one.read_text() for one in code):
        wanted -= {"QUEUE_*"}  # the vendors' queues, which only `enqueue` looks up
    missing = {
        name
        for name in wanted
        if not any(
            variable == name or (name.endswith("*") and variable.startswith(name[:-1]))
            for variable in variables
        )
    }
    assert missing == set()


def test_the_check_sees_what_is_read() -> None:
    seen = set().union(*(reads(path) for path in CORE.rglob("*.py")))
    assert {"TABLE_NAME", "STACK_NAME", "QUEUE_*", "ACCOUNTS_SECRET", "CALLBACK_URL"} <= seen
    assert "KEYS_SECRET" in seen
