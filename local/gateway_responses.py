"""API Gateway settings that the emulator does not take from the template."""

from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse


def set_gateway_responses(client: Any, api: str, template: Path) -> None:
    """Give the emulator the API's own error answers.

    AWS takes them from the API's definition (x-amazon-apigateway-gateway-responses), the
    emulator only by this call.
    """
    resources = yaml_parse(template.read_text())["Resources"]
    for kind, given in resources["Api"]["Properties"]["GatewayResponses"].items():
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
    # The emulator caches a key for the parameter's default time, not for the deployed one.
    (authorizer,) = client.get_authorizers(restApiId=api)["items"]
    client.update_authorizer(
        restApiId=api,
        authorizerId=authorizer["id"],
        patchOperations=[{"op": "replace", "path": "/authorizerResultTtlInSeconds", "value": "0"}],
    )
    client.create_deployment(restApiId=api, stageName="v1")
