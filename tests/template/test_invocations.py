"""What wakes the functions: loops through queues, and invocations that nobody waits for."""

import pytest

from testing.loops import asynchronous, in_loops, wakes
from testing.transformed import of_type, resolved, transformed

ALL_ON = {
    "Events": "all",
    "SendFromBucket": "true",
    "SendFromBus": "true",
    "SendFromQueue": "true",
    "SendFromTopic": "true",
    "SendFromInvocation": "true",
    "CognitoKeyArn": "arn:aws:kms:eu-central-1:000000000000:key/codes",
}
RESOURCES = resolved(**ALL_ON)
CODE_SECONDS = 300  # how old a user pool's code may become


def test_lambda_ends_no_chain_of_a_function_that_can_wake_itself() -> None:
    """Lambda drops what a function gets after about 16 rounds, unless its loop is allowed."""
    functions = of_type(RESOURCES, "AWS::Lambda::Function")
    allowed = {name for name, one in functions.items() if one.get("RecursiveLoop") == "Allow"}
    assert allowed == in_loops(RESOURCES)


@pytest.mark.parametrize("function", ["DispatchFunction", "DeliverWebhooksFunction"])
def test_the_search_finds_a_loop_from_policies_and_event_sources(function: str) -> None:
    assert function in in_loops(RESOURCES)
    silenced = {
        name: one
        for name, one in RESOURCES.items()
        if one["Type"] != "AWS::Lambda::EventSourceMapping"
    }
    assert in_loops(silenced) == set()


def test_the_search_sees_a_loop_through_others() -> None:
    edges = wakes(RESOURCES)
    assert "Table" in edges["DeliverWebhooksFunction"]
    assert "QueueWebhooksFunction" in edges["Table"]
    assert "DeliveryQueue" in edges["QueueWebhooksFunction"]
    assert "DeliverWebhooksFunction" in edges["DeliveryQueue"]


def test_an_event_that_the_gateway_publishes_sends_no_message() -> None:
    """Otherwise each message's event would be another message."""
    assert "FromEventbridgeFunction" not in wakes(RESOURCES)["Bus"]
    assert "FromEventbridgeFunction" not in in_loops(RESOURCES)


def test_whatever_is_invoked_asynchronously_says_how_often_and_how_long() -> None:
    configs = of_type(RESOURCES, "AWS::Lambda::EventInvokeConfig")
    configured = {one["FunctionName"]["Ref"]: one for one in configs.values()}
    wanted = asynchronous(RESOURCES)
    assert {"SchedulerFunction", "FromCognitoFunction", "FromSnsFunction"} <= wanted
    # Whoever may invoke a function directly can do so without waiting, too.
    assert wanted | {"FromInvocationFunction"} == configured.keys()
    for one in configured.values():
        assert {"MaximumRetryAttempts", "MaximumEventAgeInSeconds"} <= one.keys()
        assert one["Qualifier"] == "$LATEST"  # the function itself: there is no alias


def test_the_clock_is_neither_repeated_nor_kept() -> None:
    (schedule,) = of_type(RESOURCES, "AWS::Scheduler::Schedule").values()
    once = {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    assert schedule["Target"]["RetryPolicy"] == once
    config = RESOURCES["SchedulerFunctionEventInvokeConfig"]["Properties"]
    assert {name: config[name] for name in once} == once


def test_a_direct_invocation_is_not_repeated() -> None:
    """Without a key a second one would send again."""
    config = RESOURCES["FromInvocationFunctionEventInvokeConfig"]["Properties"]
    assert config["MaximumRetryAttempts"] == 0


def test_nothing_of_the_stack_wakes_what_is_invoked_directly() -> None:
    """No service, role or stranger of the template may: only whom the operator's IAM lets."""
    function = "FromInvocationFunction"
    waking = {
        kind
        for kind in ("Permission", "EventSourceMapping", "Url", "EventInvokeConfig")
        for one in of_type(RESOURCES, f"AWS::Lambda::{kind}").values()
        if function in str(one)
    }
    assert waking == {"EventInvokeConfig"}
    assert not any(function in woken for woken in wakes(RESOURCES).values())
    invokers = [
        name
        for name, role in of_type(RESOURCES, "AWS::IAM::Role").items()
        if "lambda:InvokeFunction" in str(role) and function in str(role)
    ]
    assert invokers == []


def test_a_function_of_the_api_is_invoked_by_api_gateway_alone() -> None:
    """So no role needs a right on one, with which it could say who is asking."""
    for one in of_type(RESOURCES, "AWS::Lambda::Permission").values():
        if one["FunctionName"] == {"Ref": "SendFunction"}:
            assert one["Principal"] == "apigateway.amazonaws.com"
    outputs = transformed()["Outputs"]
    got = {name for name, one in outputs.items() if "SendFunction" in str(one)}
    assert got == set()


def test_a_user_pools_code_is_sent_soon_or_not_at_all() -> None:
    config = RESOURCES["FromCognitoFunctionEventInvokeConfig"]["Properties"]
    assert config["MaximumEventAgeInSeconds"] == CODE_SECONDS


def test_a_second_stack_has_a_clock_of_its_own() -> None:
    (schedule,) = of_type(RESOURCES, "AWS::Scheduler::Schedule").values()
    assert "${AWS::StackName}" in str(schedule.get("Name", "${AWS::StackName}"))
