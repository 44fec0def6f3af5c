"""What the operator got wrong is one line that says what to do next."""

import os
import tomllib
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import (
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    SSOTokenLoadError,
)

from smsgw.__main__ import main
from smsgw.line import STACK_NAME
from testing.command import new_session

from .conftest import Operator

Answer = Callable[..., Any]


def no_such_stack(**_: Any) -> Any:
    refusal = {"Code": "ValidationError", "Message": "Stack with id sms-gateway does not exist"}
    return SimpleNamespace(status_code=400, headers={}), {"Error": refusal, "ResponseMetadata": {}}


def fails_with(error: Exception) -> Answer:
    def answer(**_: Any) -> Any:
        raise error

    return answer


@pytest.mark.parametrize("written", ["", "{", "[]", "{}", "7", '{"endpoint_url": "x"}', "\xff"])
def test_a_broken_file_of_the_local_stack_is_one_line(
    written: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".local").mkdir()
    Path(".local/stack.json").write_bytes(written.encode("latin-1"))
    assert main(["keys", "list", "--local"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "`make reset`" in said


@pytest.fixture
def got(
    stack: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[Answer], str]:
    """What a command says when CloudFormation answers so."""

    def run(answer: Answer) -> str:
        session = new_session(monkeypatch)
        session.set_config_variable("region", "eu-west-1")
        session.register("before-call.cloudformation.DescribeStacks", answer)
        capsys.readouterr()
        status = main(["keys", "list"])
        shown = capsys.readouterr()
        assert (status, shown.out) == (1, "")
        assert shown.err.count("\n") == 1
        return shown.err

    return run


def test_a_wrong_name_or_region_of_the_stack_says_how_to_name_both(
    got: Callable[[Answer], str],
) -> None:
    said = got(no_such_stack)
    assert "there is no stack sms-gateway in eu-west-1" in said
    assert "--stack" in said
    assert "AWS_DEFAULT_REGION" in said


def stacks(status: str, *gateways: str) -> Answer:
    """CloudFormation with one stack in a status and without outputs, or with other gateways."""

    def answer(params: dict[str, Any], **_: Any) -> Any:
        if not gateways:
            got = {"Stacks": [{"StackName": "sms-gateway", "StackStatus": status}]}
            return SimpleNamespace(status_code=200, headers={}), got
        if "StackName" in params["body"]:
            return no_such_stack()
        keys = [{"OutputKey": key, "OutputValue": "x"} for key in ("TableName", "CallbackUrl")]
        found = [{"StackName": name, "Outputs": keys} for name in gateways]
        found.append({"StackName": "blog", "Outputs": []})
        return SimpleNamespace(status_code=200, headers={}), {"Stacks": found}

    return answer


def test_a_wrong_name_of_the_stack_names_the_gateways_that_are_there(
    got: Callable[[Answer], str],
) -> None:
    said = got(stacks("", "sms-test", "sms-live"))
    assert "(the gateways there: sms-live, sms-test)" in said
    assert "blog" not in said


@pytest.mark.parametrize(
    ("status", "step"),
    [
        ("REVIEW_IN_PROGRESS", "run `sam deploy` again"),
        ("CREATE_IN_PROGRESS", "aws cloudformation wait stack-create-complete"),
        ("ROLLBACK_COMPLETE", "sam delete --stack-name sms-gateway"),
        ("CREATE_FAILED", "describe-stack-events"),
        ("DELETE_IN_PROGRESS", "wait, then"),
        ("UPDATE_COMPLETE", "is not an SMS gateway; name it by --stack"),
    ],
)
def test_a_stack_that_is_not_whole_says_what_to_do(
    got: Callable[[Answer], str], status: str, step: str
) -> None:
    assert step in got(stacks(status))


@pytest.mark.parametrize(
    ("code", "step"),
    [
        ("ExpiredToken", "the session is over: `aws sso login`"),
        ("ExpiredTokenException", "the session is over"),
        ("InvalidClientTokenId", "aws sts get-caller-identity"),
        ("SignatureDoesNotMatch", "the secret key is wrong"),
        ("AccessDenied", "take a profile that may"),
    ],
)
def test_credentials_that_aws_refuses_are_one_line_with_the_next_step(
    got: Callable[[Answer], str], code: str, step: str
) -> None:
    refusal = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {}}
    said = got(lambda **_: (SimpleNamespace(status_code=403, headers={}), refusal))
    assert step in said


def test_a_session_of_sso_that_is_over_says_how_to_log_in(got: Callable[[Answer], str]) -> None:
    assert "aws sso login" in got(fails_with(SSOTokenLoadError(error_msg="gone")))


def test_a_profile_on_the_line_wins_over_credentials_of_the_environment(
    stack: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "another")
    monkeypatch.setenv("AWS_PROFILE", "")
    new_session(monkeypatch)
    assert main(["keys", "list", "--profile", "nobody"]) == 1
    assert "AWS_ACCESS_KEY_ID" not in os.environ
    said = capsys.readouterr().err
    assert "(nobody)" in said
    assert "aws configure list-profiles" in said


@pytest.mark.parametrize(
    ("error", "step"),
    [
        (NoRegionError(), "AWS_DEFAULT_REGION"),
        (NoCredentialsError(), "AWS_PROFILE"),
        (ProfileNotFound(profile="nobody"), "aws configure list-profiles"),
        (EndpointConnectionError(endpoint_url="https://eu-wst-1"), "AWS_DEFAULT_REGION"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_when_aws_cant_be_asked_the_line_says_what_to_set(
    got: Callable[[Answer], str], error: Exception, step: str
) -> None:
    assert step in got(fails_with(error))


@pytest.mark.parametrize(
    ("command", "written", "guide"),
    [
        ("routes", "{", "docs/guides/operate.md#routes"),
        ("sources", "{", "docs/guides/triggers.md#who-sends-the-sources"),
        ("campaign-defaults", "{", "docs/guides/campaigns.md"),
        ("vendors set jst", '{"username": "only"}', "docs/vendors/jst.md"),
    ],
)
def test_what_is_not_valid_names_its_source_and_the_page_that_shows_it(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, command: str, written: str, guide: str
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(written))
    words = command.split()
    status, _, said = operator(*words, *([] if "set" in words else ["set"]), "-")
    assert status == 1
    assert said.startswith("smsgw: standard input is not valid: ")
    assert said.endswith(f"; see {guide}\n")
    page, _, anchor = guide.partition("#")
    assert not anchor or anchor.split("-")[-1] in Path(page).read_text().lower()


def test_the_stack_that_sam_deploys_is_the_one_that_the_command_operates() -> None:
    config = tomllib.loads(Path("samconfig.toml").read_text())
    deployed = config["default"]["deploy"]["parameters"]["stack_name"]
    assert deployed == STACK_NAME


def test_a_reader_that_has_gone_leaves_no_stack_trace(
    operator: Operator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        monkeypatch.setattr("sys.stdout", gone)
        assert main(["keys", "list"]) == 1
    assert capsys.readouterr().err == ""
