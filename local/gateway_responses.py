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
    _set_contract(client, api, properties["DefinitionBody"]["paths"]["/openapi.json"]["get"])
    # The emulator caches a key for the parameter's default time, not for the deployed one.
    (authorizer,) = client.get_authorizers(restApiId=api)["items"]
    client.update_authorizer(
        restApiId=api,
        authorizerId=authorizer["id"],
        patchOperations=[{"op": "replace", "path": "/authorizerResultTtlInSeconds", "value": "0"}],
    )
    client.create_deployment(restApiId=api, stageName="v1")


def _set_contract(client: Any, api: str, method: dict[str, Any]) -> None:
    """Give the emulator the answers of a mock integration, of which it imports the type only."""
    found = client.get_resources(restApiId=api, limit=500)["items"]
    (resource,) = (one["id"] for one in found if one.get("path") == "/openapi.json")
    place = {"restApiId": api, "resourceId": resource, "httpMethod": "GET"}
    integration = method["x-amazon-apigateway-integration"]
    client.put_integration(**place, type="MOCK", requestTemplates=integration["requestTemplates"])
    for status, answer in integration["responses"].items():
        client.put_integration_response(
            **place,
            statusCode=status,
            selectionPattern=status,
            responseParameters=answer["responseParameters"],
            responseTemplates=answer["responseTemplates"],
        )
