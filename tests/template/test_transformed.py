"""The template after SAM's transform: what AWS gets, with what SAM adds."""

from testing.transformed import of_type, resolved, transformed


def test_nothing_holds_an_old_layer_or_an_old_parameter_behind_an_alias() -> None:
    kinds = {one["Type"] for one in transformed()["Resources"].values()}
    assert kinds.isdisjoint({"AWS::Lambda::Alias", "AWS::Lambda::Version"})
    functions = of_type(resolved(), "AWS::Lambda::Function")
    assert functions
    assert all("SnapStart" not in one for one in functions.values())


def test_a_deployment_resolves_to_plain_values() -> None:
    resources = resolved(DispatchWorkers="20", Events="bus", LogLevel="DEBUG")
    mappings = of_type(resources, "AWS::Lambda::EventSourceMapping")
    assert mappings["DispatchFunctionJst"]["ScalingConfig"] == {"MaximumConcurrency": 20}
    assert mappings["PublishEventsFunctionChanges"]["Enabled"] is True
    assert mappings["QueueWebhooksFunctionChanges"]["Enabled"] is False
    send = resources["SendFunction"]["Properties"]
    assert send["LoggingConfig"]["SystemLogLevel"] == "INFO"
    assert "FromSqsFunction" not in resources


def test_no_function_is_told_where_aws_is() -> None:
    """With AWS_ENDPOINT_URL on this machine, WebhookLoopback would open the machine's own ports."""
    for properties in of_type(resolved(WebhookLoopback="true"), "AWS::Lambda::Function").values():
        variables = properties["Environment"]["Variables"]
        assert not [name for name in variables if name.startswith("AWS_")]
        assert variables["WEBHOOK_PORTS"] == "443,8443"


def test_a_mapping_of_the_stream_has_no_more_patterns_than_aws_takes() -> None:
    mappings = of_type(resolved(Events="all"), "AWS::Lambda::EventSourceMapping")
    counts = [
        len(one["FilterCriteria"]["Filters"])
        for one in mappings.values()
        if "FilterCriteria" in one
    ]
    assert counts
    assert max(counts) <= 5
