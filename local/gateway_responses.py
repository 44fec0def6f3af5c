"""API Gateway settings that the emulator does not take from the template."""

from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse


def set_gateway_responses(client: Any, api: str, template: Path) -> None:
    """Give the emulator the API's own error answers.

    AWS takes them from the API's definition (x-amazon-apigateway-gateway-responses), the
    emulator only by this call.
    """
    properties = yaml_parse(template.read_text())["Resources"]["Api"]["Properties"]
    for kind, given in properties["GatewayResponses"].items():
        client.put_gateway_response(
            restApiId=api,
            responseType=kind,
            statusCode=str(given["StatusCode"]),
            responseParameters={
                f"gatewayresponse.header.{name}": value
                for name, value in given["ResponseParameters"]["Headers"].items()
            },
            responseTemplates=given["ResponseTemplates"],
        )
    _set_mocks(client, api, properties["DefinitionBody"]["paths"])
    # The emulator caches a key for the parameter's default time, not for the deployed one.
    (authorizer,) = client.get_authorizers(restApiId=api)["items"]
    client.update_authorizer(
        restApiId=api,
        authorizerId=authorizer["id"],
        patchOperations=[{"op": "replace", "path": "/authorizerResultTtlInSeconds", "value": "0"}],
    )
    client.create_deployment(restApiId=api, stageName="v1")


def _set_mocks(client: Any, api: str, paths: dict[str, Any]) -> None:
    """Give the emulator what API Gateway answers by itself: of a mock it imports the type only.

    It does not import a method "any" at all; paths that nobody has are left to its own answer.
    """
    found = client.get_resources(restApiId=api, limit=500)["items"]
    ids = {one["path"]: one["id"] for one in found}
    for path, item in paths.items():
        if path in ("/", "/{proxy+}"):
            continue
        for method, operation in item.items():
            name = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
            place = {"restApiId": api, "resourceId": ids[path], "httpMethod": name}
            if name == "ANY":
                client.put_method(**place, authorizationType="NONE")
            _set_mock(client, place, operation["x-amazon-apigateway-integration"])


def _set_mock(client: Any, place: dict[str, str], integration: dict[str, Any]) -> None:
    client.put_integration(**place, type="MOCK", requestTemplates=integration["requestTemplates"])
    for status, answer in integration["responses"].items():
        client.put_integration_response(
            **place,
            statusCode=status,
            selectionPattern=status,
            responseParameters=answer["responseParameters"],
            responseTemplates=answer["responseTemplates"],
        )
