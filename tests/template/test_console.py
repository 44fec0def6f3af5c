"""The console costs nothing where nobody asked for it, and may do nothing where somebody did."""

from testing.transformed import of_type, resolved


def test_without_the_parameter_there_is_no_console() -> None:
    assert [name for name in resolved() if name.startswith("Console")] == []
    paths = resolved()["Api"]["Properties"]["Body"]["paths"]
    # Without a method, API Gateway answers as for any path that does not exist.
    assert paths["/console"] == paths["/docs"] == paths["/console/{file+}"] == {}


def test_the_console_is_read_without_a_key_and_by_get_only() -> None:
    paths = resolved(Console="true")["Api"]["Properties"]["Body"]["paths"]
    for path in ("/console", "/docs", "/console/{file+}"):
        assert list(paths[path]) == ["get"]
        assert paths[path]["get"]["security"] == [{"NONE": []}]


def test_the_console_may_write_its_log_and_nothing_else() -> None:
    role = resolved(Console="true")["ConsoleFunctionRole"]
    (policy,) = role["Properties"]["Policies"]
    statements = [one for one in policy["PolicyDocument"]["Statement"] if one]
    assert [one["Resource"] for one in statements] == [{"Fn::GetAtt": ["Logs", "Arn"]}]


def test_the_console_is_text_which_api_gateway_compresses() -> None:
    (api,) = of_type(resolved(Console="true"), "AWS::ApiGateway::RestApi").values()
    assert api["MinimumCompressionSize"] <= 8192
    assert not api.get("BinaryMediaTypes")
