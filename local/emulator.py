"""The AWS emulator: IAM as it does not know it, APIs by name, real runtimes, streams that stay."""

import json
import re
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import Any

from local.archives import share_archives
from local.parent import stop_without_parent

_PARTITION_IS = re.compile(r"[#\w]+\s*=\s*(:\w+)")


def leading_keys(request: dict[str, Any]) -> list[str]:
    """Return the partitions that a request to DynamoDB names, as dynamodb:LeadingKeys has them."""
    if "KeyConditionExpression" in request:
        found = _PARTITION_IS.search(request["KeyConditionExpression"])
        return [request["ExpressionAttributeValues"][found[1]]["S"]] if found else []
    keys = [request[part] for part in ("Key", "Item") if part in request]
    for asked in request.get("RequestItems", {}).values():
        keys += asked["Keys"] if "Keys" in asked else [_written(one) for one in asked]
    keys += [_written(one) for one in request.get("TransactItems", [])]
    return sorted({key["pk"]["S"] for key in keys})


def _written(write: dict[str, Any]) -> dict[str, Any]:
    (one,) = write.values()
    key: dict[str, Any] = one["Item"] if "Item" in one else one["Key"]
    return key


def complete_requests() -> None:
    """Let policies see the partitions and labels that a request names, and loopback as safe.

    SendMessageBatch needs the right to SendMessage, as on AWS; the emulator has one of its own.
    """
    actions = vars(import_module("ministack.core.iam_actions"))
    evaluator = vars(import_module("ministack.core.iam_evaluator"))
    known, pin = actions["dynamodb_service_context"], evaluator["pin_request_origin"]
    action_of, tags_of = actions["extract_iam_action"], actions["request_tag_context"]

    def with_leading_keys(body: bytes) -> dict[str, Any]:
        context: dict[str, Any] = known(body)
        keys = leading_keys(json.loads(body or b"{}"))
        return context | ({"dynamodb:LeadingKeys": keys} if keys else {})

    def by_its_right(*request: Any) -> str | None:
        action: str | None = action_of(*request)
        return "sqs:SendMessage" if action == "sqs:SendMessageBatch" else action

    def with_version_stage(service: str, action: str, body: bytes, *rest: Any) -> dict[str, Any]:
        context: dict[str, Any] = tags_of(service, action, body, *rest)
        if action != "secretsmanager:GetSecretValue":
            return context
        label = json.loads(body or b"{}").get("VersionStage")
        return context | ({"secretsmanager:VersionStage": label} if label else {})

    actions["dynamodb_service_context"] = with_leading_keys
    actions["request_tag_context"] = with_version_stage
    actions["extract_iam_action"] = by_its_right
    evaluator["pin_request_origin"] = lambda address, _secure: pin(address, True)


def use_runtime_client() -> None:
    """Let functions run under Lambda's own runtime client."""
    runtime = vars(import_module("ministack.core.lambda_runtime"))
    program = (Path(__file__).parent / "function_runtime.py").read_text()
    prepare = "_ms_install_invoke_depth"  # the emulator's own: it tells loops by it
    runtime["_PYTHON_WORKER_SCRIPT"] = "\n".join(
        (runtime["INVOKE_DEPTH_BOOTSTRAP"], program, f"main({prepare})\n")
    )


def name_apis() -> None:
    """Let a path name an API instead of its id, which another deployment may change."""
    app = vars(import_module("ministack.app"))
    apis = import_module("ministack.services.apigateway_v1")._rest_apis
    parse = app["_parse_execute_api_url"]

    def by_name(host: str, path: str) -> tuple[str, str, str] | None:
        parsed: tuple[str, str, str] | None = parse(host, path)
        if parsed is None:
            return None
        called, stage, rest = parsed
        named = (key[2] for key, api in apis.all_items() if api["name"] == called)
        return next(named, called), stage, rest

    app["_parse_execute_api_url"] = by_name


def keep_streams() -> None:
    """Let tables keep their streams' records when the emulator keeps its state.

    It keeps how far each reader of a stream is, and starts the stream anew: what came after a
    restart would stand before that place, and nobody would be told of it.
    """
    tables = vars(import_module("ministack.services.dynamodb"))
    streams = {name: tables[name] for name in ("_stream_records", "_stream_trimmed")}
    get_state, load = tables["get_state"], tables["load_persisted_state"]

    def with_streams() -> dict[str, Any]:
        state: dict[str, Any] = get_state()
        return state | {name: deepcopy(stream) for name, stream in streams.items()}

    def load_with_streams(state: dict[str, Any]) -> None:
        load(state)
        for name, stream in streams.items():
            stream.update(state.get(name, {}))

    tables["get_state"] = with_streams
    tables["load_persisted_state"] = load_with_streams


if __name__ == "__main__":
    stop_without_parent()
    complete_requests()
    use_runtime_client()
    name_apis()
    keep_streams()
    share_archives(vars(import_module("ministack.core.lambda_runtime")))
    import_module("ministack.app").main()
