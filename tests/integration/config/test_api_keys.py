"""API keys: made once, kept as a digest, and the authorizer that knows them."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3
import pytest

from sms_gateway.config import api_keys
from sms_gateway.config.api_keys import Refusal
from sms_gateway.storage import dynamodb, key_uses
from sms_gateway.storage.models import ItemKey
from smsgw.__main__ import main
from testing.command import new_session
from testing.counting import Meter
from testing.gateway import Gateway
from testing.processes import function
from testing.rights import acting_as
from testing.settings import ACCOUNTS, set_accounts
from testing.template import TEMPLATE

NOW = datetime.now(UTC)
ARN = "arn:aws:execute-api:eu-central-1:123456789012:api/v1/GET/messages"


def made(tenant: str = "acme", *scopes: str) -> str:
    return api_keys.create_key(tenant, scopes or ("messages:send",), "", NOW)[0]


@pytest.fixture(scope="module")
def authorize() -> ModuleType:
    return function("authorize")


def ask(authorize: ModuleType, token: str) -> dict[str, Any]:
    answer: dict[str, Any] = authorize.handler(
        {"type": "TOKEN", "authorizationToken": token, "methodArn": ARN}, None
    )
    return answer


def denied(answer: dict[str, Any]) -> bool:
    """Whether a policy denies the whole stage, and says nothing of a tenant."""
    (statement,) = answer["policyDocument"]["Statement"]
    whole = "arn:aws:execute-api:eu-central-1:123456789012:api/v1/*"
    return (statement["Effect"], statement["Resource"]) == ("Deny", whole) and (
        "context" not in answer
    )


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_key_opens_every_route_for_its_tenant(
    gateway: Gateway, authorize: ModuleType, scheme: str
) -> None:
    answer = ask(authorize, f"{scheme} {made('acme', 'messages:read', 'messages:send')}")
    assert answer["context"]["tenant"] == "acme"
    assert answer["context"]["scopes"] == "messages:read messages:send"
    (statement,) = answer["policyDocument"]["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Resource"] == "arn:aws:execute-api:eu-central-1:123456789012:api/v1/*"


def test_a_key_brings_its_region_and_lends_it_to_a_send(
    gateway: Gateway, authorize: ModuleType
) -> None:
    key, stored = api_keys.create_key("acme", ["messages:send"], "", NOW, "BD")
    assert (stored.region, api_keys.list_keys()[0].region) == ("BD", "BD")
    context = ask(authorize, f"Bearer {key}")["context"]
    assert context["region"] == "BD"
    assert ask(authorize, f"Bearer {made()}")["context"]["region"] == ""
    event = {
        "httpMethod": "POST",
        "path": "/messages",
        "body": json.dumps({"to": ["01712345678", "8801712345679"], "text": "Hello"}),
        "requestContext": {"authorizer": context},
    }
    answer = function("send").handler(event, None)
    assert [one["to"] for one in json.loads(answer["body"])["messages"]] == [
        "+8801712345678",
        "+8801712345679",
    ]
    shown = function("send").handler(event | {"path": "/messages/preview"}, None)
    assert [one["to_read_as"] for one in json.loads(shown["body"])["messages"]] == [
        {"form": "national", "region": "BD"},
        {"form": "without_plus", "region": "BD"},
    ]
    event["requestContext"] = {"authorizer": context | {"region": ""}}
    refused = json.loads(function("send").handler(event, None)["body"])
    assert refused["type"] == "/problems/all-rejected"


def test_a_key_passes_the_expression_that_stands_before_the_authorizer(gateway: Gateway) -> None:
    keys = TEMPLATE["Resources"]["Api"]["Properties"]["Auth"]["Authorizers"]["Keys"]
    expression = keys["Identity"]["ValidationExpression"]
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert re.fullmatch(expression, f"{scheme} {made()}")


@pytest.mark.parametrize(
    "token",
    ["", "Bearer", "Bearer ", "Bearer sms_wrong", "Basic {key}", "{key}", "Bearer {key}x",
     "Bearer " + "x" * 5000, "Bearer sms_é\x00", "Bearer {digest}"],
)  # fmt: skip
def test_anything_else_is_denied_without_an_error(
    gateway: Gateway, authorize: ModuleType, token: str
) -> None:
    key = made()
    assert denied(ask(authorize, token.format(key=key, digest=api_keys.digest(key))))


def test_a_revoked_key_is_denied(gateway: Gateway, authorize: ModuleType) -> None:
    key = made()
    (known,) = api_keys.list_keys()
    assert api_keys.revoke_key(known.id, NOW)
    assert api_keys.revoke_key("000000000000", NOW) is None
    assert denied(ask(authorize, f"Bearer {key}"))
    assert api_keys.list_keys()[0].revoked_at


def test_a_refusal_is_counted_by_its_reason_and_names_only_a_key_that_was(
    gateway: Gateway,
    authorize: ModuleType,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    short = api_keys.create_key("acme", ["messages:send"], "", NOW, expires=NOW + timedelta(days=1))
    revoked = made()
    stored = next(key for key in api_keys.list_keys() if key.expires is None)
    api_keys.revoke_key(stored.id, NOW)
    past = dynamodb.ItemUpdate(ItemKey("KEYS", api_keys.digest(short[0])))
    past.set("expires", int(NOW.timestamp()) - 1).apply()
    capsys.readouterr()
    for token, reason, named in (
        ("sms_wrong", "malformed", []),
        (api_keys._draw(), "unknown", []),
        (revoked, "revoked", [("revoked", stored.id, "acme")]),
        (short[0], "expired", [("expired", short[1].id, "acme")]),
    ):
        caplog.clear()
        assert denied(ask(authorize, f"Bearer {token}"))
        counted = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [one.get("reason") for one in counted if "KeyRefused" in one] == [reason]
        assert sum("Refused" in one for one in counted) == 1
        seen = [vars(one) for one in caplog.records]
        assert [(one["reason"], one["key_id"], one["tenant"]) for one in seen] == named
        assert token not in f"{counted}{seen}"


def test_a_made_up_key_costs_no_read(gateway: Gateway, authorize: ModuleType) -> None:
    key = made()
    with Meter().listening(dynamodb.client()) as meter:
        for position in range(4, len(key)):
            other = "A" if key[position] != "A" else "B"
            assert denied(ask(authorize, f"Bearer {key[:position]}{other}{key[position + 1 :]}"))
        assert denied(ask(authorize, "Bearer sms_" + "x" * 48))
        assert meter.total.calls == {}
        assert not denied(ask(authorize, f"Bearer {key}"))
        assert meter.total.calls == {"dynamodb.GetItem": 1, "dynamodb.UpdateItem": 1}


def test_a_use_is_noted_once_an_hour_whatever_processes_there_are(
    gateway: Gateway, authorize: ModuleType
) -> None:
    key = made()
    (known,) = api_keys.list_keys()
    noon = 1_795_262_400

    def note(seconds: int, *, anew: bool = False) -> int:
        if anew:
            key_uses._noted.clear()
        with Meter().listening(dynamodb.client()) as meter, acting_as("AuthorizeFunction"):
            key_uses.note_use(known.id, noon + seconds)
        return meter.total.calls["dynamodb.UpdateItem"]

    assert [note(0), note(10), note(3_599)] == [1, 0, 0]
    assert (note(20, anew=True), key_uses.last_uses()) == (1, {known.id: noon})
    assert (note(3_620), key_uses.last_uses()) == (1, {known.id: noon + 3_620})
    key_uses._noted.clear()
    with acting_as("AuthorizeFunction"):
        assert not denied(ask(authorize, f"Bearer {key}"))
    assert key_uses.last_uses()[known.id] > noon + 3_620


def test_a_refused_key_notes_no_use_and_one_that_can_not_be_noted_opens(
    gateway: Gateway, authorize: ModuleType, failing: Callable[..., None]
) -> None:
    key = made()
    failing("UpdateItem", 1)
    assert not denied(ask(authorize, f"Bearer {key}"))
    assert not denied(ask(authorize, f"Bearer {key}"))  # not tried again within the hour
    key_uses._noted.clear()
    (known,) = api_keys.list_keys()
    api_keys.revoke_key(known.id, NOW)
    assert denied(ask(authorize, f"Bearer {key}"))
    assert key_uses.last_uses() == {}


@pytest.mark.parametrize("days", [0, 7])
def test_a_key_is_let_end_and_never_later_than_before(
    gateway: Gateway, authorize: ModuleType, days: int
) -> None:
    now = datetime.now(UTC)
    key, stored = api_keys.create_key("acme", ["messages:send"], "", now)
    ended = api_keys.end_key(stored.id, now + timedelta(days=days))
    assert ended is not None
    assert ended.expires == int(now.timestamp()) + days * 86_400
    assert denied(ask(authorize, f"Bearer {key}")) == (days == 0)
    again = api_keys.end_key(stored.id, now + timedelta(days=50))
    assert again == ended
    api_keys.revoke_key(stored.id, now)
    assert api_keys.end_key(stored.id, now) is None
    assert api_keys.end_key("000000000000", now) is None


def test_a_key_ends_by_itself(gateway: Gateway) -> None:
    key, stored = api_keys.create_key(
        "acme", ["messages:send"], "", NOW, expires=NOW + timedelta(hours=1)
    )
    assert api_keys.find_key(key, NOW + timedelta(minutes=59)) == (stored, None)
    assert api_keys.find_key(key, NOW + timedelta(hours=1))[1] is Refusal.EXPIRED
    with pytest.raises(ValueError, match="later than now"):
        api_keys.create_key("acme", ["messages:send"], "", NOW, expires=NOW)


def test_only_the_digest_of_a_key_is_stored(gateway: Gateway) -> None:
    key = made()
    items = dynamodb.client().scan(TableName=dynamodb.table_name())["Items"]
    assert key not in str(items)
    assert api_keys.digest(key) in str(items)
    assert len(key) > 40


@pytest.mark.parametrize(
    ("tenant", "scopes"),
    [("", ["account"]), ("Acme", ["account"]), ("a b", ["account"]), ("a" * 41, ["account"]),
     ("acme#1", ["account"]), ("acme", []), ("acme", ["everything"])],
)  # fmt: skip
def test_a_key_that_cannot_be_is_refused(gateway: Gateway, tenant: str, scopes: list[str]) -> None:
    with pytest.raises(ValueError, match=r"tenant|scope"):
        api_keys.create_key(tenant, scopes, "", NOW)
    assert api_keys.list_keys() == []


@pytest.fixture
def stack_of(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A CloudFormation stack whose outputs lead to the gateway, as far as the command asks."""
    outputs = {
        "TableName": "test-table",
        "AccountsSecretName": "test/vendors",
        "KeysSecretName": "test/keys",
        "CallbackUrl": "https://x/callbacks",
    }
    shown = [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()]

    def describe_stacks(params: Any, **_: Any) -> Any:
        if (name := params["body"].get("StackName")) in (None, "test"):
            found = [{"Outputs": shown}] if name else []
            return SimpleNamespace(status_code=200, headers={}), {"Stacks": found}
        error = {"Code": "ValidationError", "Message": f"{name} does not exist"}
        answer = {"Error": error, "ResponseMetadata": {}}
        return SimpleNamespace(status_code=400, headers={}), answer

    session = new_session(monkeypatch)
    session.register("before-call.cloudformation.DescribeStacks", describe_stacks)
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    status = main(["--stack", "test", "--yes", *arguments])
    shown = capsys.readouterr()
    return status, shown.out + shown.err


@pytest.mark.usefixtures("stack_of")
def test_the_command_makes_lists_and_revokes_keys(
    authorize: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    scope = ["--scope", "messages:send", "--scope", "messages:read"]
    status, said = run(capsys, "keys", "create", "--tenant", "acme", *scope, "--label", "app")
    found = re.search(r"sms_\S+", said)
    assert status == 0
    assert found
    assert ask(authorize, f"Bearer {found[0]}")["context"]["tenant"] == "acme"
    status, said = run(
        capsys, "keys", "create", "--tenant", "acme", *scope, "--expires", "2020-01-01T00:00:00Z"
    )
    assert (status, said) == (1, "smsgw: a key must expire later than now\n")
    status, said = run(capsys, "keys", "list")
    identifier = api_keys.list_keys()[0].id
    assert identifier in said
    assert found[0] not in said
    assert run(capsys, "keys", "revoke", identifier)[0] == 0
    assert "revoked" in run(capsys, "keys", "list")[1]
    assert denied(ask(authorize, f"Bearer {found[0]}"))


@pytest.mark.usefixtures("stack_of")
@pytest.mark.parametrize(
    "arguments",
    [
        ("keys", "revoke", "000000000000"),
        ("keys", "create", "--tenant", "No Tenant", "--scope", "account"),
        ("vendors", "set", "jst", "missing.json"),
        ("vendors", "set", "jst", "bad.json"),
        ("vendors", "remove", "jst"),
        ("--stack", "unheard-of", "keys", "list"),
    ],
    ids=lambda one: " ".join(one),
)
def test_the_command_says_in_one_line_what_is_wrong(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.json").write_text('{"username": "only"}')
    if arguments[1] == "remove":
        assert run(capsys, *arguments)[0] == 0
    status, said = run(capsys, *arguments)
    assert status == 1
    assert said.startswith("smsgw: ")
    assert said.count("\n") == 1


@pytest.mark.usefixtures("stack_of")
def test_the_command_sets_a_vendors_account_that_is_good(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("jst.json").write_text(json.dumps(ACCOUNTS["jst"] | {"sender": "NEWONE"}))
    status, said = run(capsys, "vendors", "set", "jst", "jst.json", "--no-check")
    assert (status, "Plain http" in said) == (0, True)
    written = boto3.client("secretsmanager").get_secret_value(
        SecretId="test/vendors", VersionStage="AWSCURRENT"
    )
    stored = json.loads(written["SecretString"])
    assert stored == ACCOUNTS | {"jst": ACCOUNTS["jst"] | {"sender": "NEWONE"}}
    assert "test-password" not in run(capsys, "vendors", "list")[1]
    set_accounts(ACCOUNTS)


@pytest.mark.usefixtures("stack_of")
def test_the_command_tells_the_address_of_account_wide_callbacks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, said = run(capsys, "callback-url", "dinisoft")
    assert status == 0
    assert said.startswith("https://x/callbacks/dinisoft/ACCOUNT")


def test_a_test_key_says_so_to_the_functions(gateway: Gateway, authorize: ModuleType) -> None:
    key, stored = api_keys.create_key("acme", ["messages:send"], "", NOW, test=True)
    assert key.startswith("sms_test_")
    assert stored.test
    assert ask(authorize, f"Bearer {key}")["context"]["test"] == "true"
    assert "test" not in ask(authorize, f"Bearer {made()}")["context"]


def test_no_test_key_is_a_live_key_by_another_beginning(
    gateway: Gateway, authorize: ModuleType
) -> None:
    key, _ = api_keys.create_key("acme", ["messages:send"], "", NOW, test=True)
    assert denied(ask(authorize, f"Bearer {key.replace('sms_test_', 'sms_')}"))
    assert denied(ask(authorize, f"Bearer {made().replace('sms_', 'sms_test_')}"))


@pytest.mark.parametrize("scope", sorted(set(api_keys.SCOPES) - set(api_keys.TEST_SCOPES)))
def test_a_test_key_has_no_scope_that_reaches_a_vendor(gateway: Gateway, scope: str) -> None:
    with pytest.raises(ValueError, match="a scope of a test key"):
        api_keys.create_key("acme", ["messages:send", scope], "", NOW, test=True)


def test_a_test_key_passes_the_expression_before_the_authorizer(gateway: Gateway) -> None:
    keys = TEMPLATE["Resources"]["Api"]["Properties"]["Auth"]["Authorizers"]["Keys"]
    expression = keys["Identity"]["ValidationExpression"]
    key, _ = api_keys.create_key("acme", ["messages:send"], "", NOW, test=True)
    assert re.match(expression, f"Bearer {key}")
    assert not re.match(expression, f"Bearer {key}x")


def test_a_key_is_told_whose_it_is_what_it_may_and_when_it_ends(
    gateway: Gateway, authorize: ModuleType
) -> None:
    ends = datetime(2099, 3, 1, tzinfo=UTC)
    policy = '{"countries": ["BD"]}'
    key, stored = api_keys.create_key(
        "acme", ["messages:read"], "shop", NOW, "BD", ends, policy=policy, test=True
    )
    context = ask(authorize, f"Bearer {key}")["context"]
    event = {"httpMethod": "GET", "path": "/key", "requestContext": {"authorizer": context}}
    answer = function("status").handler(event, None)
    assert (answer["statusCode"], json.loads(answer["body"])) == (
        200,
        {
            "id": stored.id,
            "tenant": "acme",
            "scopes": ["messages:read"],
            "test": True,
            "region": "BD",
            "expires_at": "2099-03-01T00:00:00.000Z",
        },
    )
    assert key not in answer["body"]


def test_a_key_without_an_end_says_so_and_no_key_is_told_nothing(
    gateway: Gateway, authorize: ModuleType
) -> None:
    context = ask(authorize, f"Bearer {made('acme', 'verifications')}")["context"]
    assert "expires" not in context
    for authorizer, status in ((context, 200), (None, 401)):
        event = {"httpMethod": "GET", "path": "/key", "requestContext": {"authorizer": authorizer}}
        answer = function("status").handler(event, None)
        assert answer["statusCode"] == status
        shown = json.loads(answer["body"])
        assert (shown.get("tenant"), shown.get("expires_at")) == (
            ("acme", None) if status == 200 else (None, None)
        )
