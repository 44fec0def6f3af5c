"""Write what repeats for each vendor: `python -m tools.generate`, with --check only compare.

A generated block begins with a comment `generated: <name>` and ends with `end of generated`; both
stay. The vendors come from the registry of adapters.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import indent

from sms_gateway.core.sandbox import SANDBOX
from sms_gateway.messages.queue import EXPRESS
from sms_gateway.vendors.declared.reading import schema
from sms_gateway.vendors.registry import NAME, VENDORS, adapter_class
from tools import dashboard, openapi

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(
    r"^(?P<margin> *)# generated: (?P<name>[a-z ]+)\n(?P<body>.*?)^ *# end of generated$",
    re.MULTILINE | re.DOTALL,
)
TEMPLATE = "template.yaml"
CONTRACT_PATH = "/openapi.json"
PROBLEMS_PATH = "/problems/{problem}"
BODY_TYPES = (
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "text/plain",
)
VENDOR_SCHEMA = "events/schemas/vendor.json"
DESCRIPTION_SCHEMA = "docs/vendors/description.schema.json"
QUEUES = (*VENDORS, EXPRESS)  # of submissions
DESCRIBES = "DescribesVendors"  # the condition of the queue that described vendors share
ENCRYPTED_QUEUE = """\
SqsManagedSseEnabled: !If [HasKey, !Ref AWS::NoValue, true]
KmsMasterKeyId: !If [HasKey, !Ref KmsKeyArn, !Ref AWS::NoValue]
"""


def queue_variables() -> str:
    """Give a function the URLs of the queues of submissions."""
    own = "".join(f"QUEUE_{name.upper()}: !Ref {logical_id(name)}Queue\n" for name in QUEUES)
    return own + f'QUEUE_DECLARED: !If [{DESCRIBES}, !Ref DeclaredQueue, ""]\n'


def queue_arns() -> str:
    """List the queues that submissions may be put into."""
    own = "".join(f"- !GetAtt {logical_id(name)}Queue.Arn\n" for name in QUEUES)
    return own + f"- !If [{DESCRIBES}, !GetAtt DeclaredQueue.Arn, !Ref AWS::NoValue]\n"


def queue_urls() -> str:
    """List the queues of submissions and their dead-letter queues."""
    own = "".join(
        f"- !Ref {logical_id(name)}Queue\n- !Ref {logical_id(name)}DeadLetters\n" for name in QUEUES
    )
    return own + "".join(
        f"- !If [{DESCRIBES}, !Ref Declared{one}, !Ref AWS::NoValue]\n"
        for one in ("Queue", "DeadLetters")
    )


def queue_events() -> str:
    """Feed each queue to the dispatch function."""
    return "".join(
        f"""\
{logical_id(name)}:
  Type: SQS
  Properties:
    Queue: !GetAtt {logical_id(name)}Queue.Arn
    BatchSize: 10
    FunctionResponseTypes: [ReportBatchItemFailures]
    ScalingConfig:
      MaximumConcurrency: !FindInMap [Workers, !Ref DispatchWorkers, Number]
"""
        for name in QUEUES
    )


def queues() -> str:
    """Make each vendor's queue and that of codes, its dead-letter queue and the alarm of that."""
    first = "&encrypted_queue\n" + indent(ENCRYPTED_QUEUE, 6 * " ").rstrip()
    return "\n".join(
        f"""\
{logical_id(name)}Queue:
  Type: AWS::SQS::Queue
  Properties:
    VisibilityTimeout: 720 # six times the dispatch function's timeout, as AWS advises
    MessageRetentionPeriod: 1209600
    <<: {"*encrypted_queue" if nth else first}
    RedrivePolicy: {{deadLetterTargetArn: !GetAtt {logical_id(name)}DeadLetters.Arn, maxReceiveCount: 5}}

{logical_id(name)}DeadLetters:
  Type: AWS::SQS::Queue
  Properties: {{<<: *encrypted_queue, MessageRetentionPeriod: 1209600}}

{logical_id(name)}DeadLettersAlarm:
  Type: AWS::CloudWatch::Alarm
  Properties:
    <<: *alarm
    AlarmDescription: {_carried_by(name)} could not be worked on; see docs/guides/operate.md.
    Namespace: AWS/SQS
    MetricName: ApproximateNumberOfMessagesVisible
    Dimensions: [{{Name: QueueName, Value: !GetAtt {logical_id(name)}DeadLetters.QueueName}}]
    Statistic: Maximum
"""  # noqa: E501 - as the template's lines are
        for nth, name in enumerate(QUEUES)
    )


def _carried_by(name: str) -> str:
    return "Codes" if name == EXPRESS else f"{adapter_class(name).title} submissions"


def dashboard_body() -> str:
    """Draw what the template has as it stands."""
    return dashboard.body((ROOT / TEMPLATE).read_text(encoding="utf-8"))


def served_contract() -> str:
    """Let API Gateway itself answer `GET /openapi.json`."""
    tag = openapi.entity_tag()
    return f"""\
{CONTRACT_PATH}:
  get:
    security: [{{NONE: []}}]
    responses:
      "200": &contract_answer
        description: The contract.
        headers:
          Cache-Control: {{schema: {{type: string}}}}
          Content-Type: {{schema: {{type: string}}}}
          ETag: {{schema: {{type: string}}}}
          Strict-Transport-Security: {{schema: {{type: string}}}}
          X-Content-Type-Options: {{schema: {{type: string}}}}
        content: {{}}
      "304": *contract_answer
    x-amazon-apigateway-integration:
      type: mock
      requestTemplates:
        application/json: |-
          #if(!$input.params('If-None-Match').contains('{tag}'))
          {{"statusCode": 200}}
          #else
          {{"statusCode": 304}}
          #end
      passthroughBehavior: when_no_templates
      responses:
        "200":
          statusCode: "200"
          responseParameters: &contract_headers
            method.response.header.Content-Type: "'application/json'"
            method.response.header.Cache-Control: "'public, max-age=3600'"
            method.response.header.ETag: "'W/\\"{tag}\\"'"
            method.response.header.Strict-Transport-Security: "'max-age=31536000'"
            method.response.header.X-Content-Type-Options: "'nosniff'"
          responseTemplates:
            application/json: >-
{indent(openapi.served(), 14 * " ")}
        "304":
          statusCode: "304"
          responseParameters: *contract_headers
          responseTemplates: {{application/json: ""}}
{indent(_other_methods(["GET"]), "  ")}"""


def problems() -> str:
    """Let API Gateway itself show what problems mean; a slug that none has is not found."""
    slugs = "".join(f"/{slug}" for slug in openapi.problem_slugs())
    return f"""\
{PROBLEMS_PATH}:
  get:
    security: [{{NONE: []}}]
    responses: {{"200": *edge_answer, "404": *edge_answer}}
    x-amazon-apigateway-integration:
      type: mock
      requestTemplates:
        application/json: |-
          #set($slugs = "{slugs}/")
          #set($asked = "/$input.params('problem')/")
          #if($slugs.contains($asked))
          {{"statusCode": 200}}
          #else
          {{"statusCode": 404}}
          #end
      passthroughBehavior: when_no_templates
      responses:
        "404":
          statusCode: "404"
          responseParameters: *edge_headers
          responseTemplates: *no_route_problem
        "200":
          statusCode: "200"
          responseParameters:
            <<: *edge_headers
            method.response.header.Cache-Control: "'public, max-age=3600'"
            method.response.header.Content-Type: "'text/html; charset=utf-8'"
          responseTemplates:
            application/json: |-
{indent(openapi.problems_page(), 14 * " ")}
{indent(_other_methods(["GET"]), "  ")}"""


def other_methods() -> str:
    """Let API Gateway itself answer OPTIONS, and the methods that a path does not have."""
    return "".join(
        f"{path}:\n{indent(_other_methods(methods), '  ')}"
        for path, methods in openapi.methods().items()
        if path not in (CONTRACT_PATH, PROBLEMS_PATH)
    )


def _other_methods(methods: Sequence[str]) -> str:
    return f"""\
options:
  security: [{{NONE: []}}]
  responses: {{"204": *edge_answer}}
  x-amazon-apigateway-integration:
    type: mock
    requestTemplates: {{application/json: '{{"statusCode": 204}}'}}
    passthroughBehavior: when_no_templates
    responses:
      "204":
        statusCode: "204"
        responseParameters: {_allow(methods)}
        responseTemplates: {{application/json: ""}}
x-amazon-apigateway-any-method:
  security: [{{NONE: []}}]
  responses: {{"405": *edge_answer}}
  x-amazon-apigateway-integration:
    type: mock
    requestTemplates:
{indent(_for_any_body(405), 6 * " ")}
    passthroughBehavior: when_no_templates
    responses:
      "405":
        statusCode: "405"
        responseParameters: {_allow(methods)}
        responseTemplates:
          application/json: >-
            {{"type": "/problems/method-not-allowed", "title": "No such method here", "status": 405,
            "detail": "There are {", ".join(methods)} and OPTIONS here.", "retryable": false,
            "request_id": "$context.requestId"}}
"""


def _allow(methods: Sequence[str]) -> str:
    allow = f"\"'{', '.join([*methods, 'OPTIONS'])}'\""
    return f"{{<<: *edge_headers, method.response.header.Allow: {allow}}}"


def _for_any_body(status: int) -> str:
    """Give a mock its status, whatever is sent: it refuses a type that it has no template for."""
    return "\n".join(f"{kind}: '{{\"statusCode\": {status}}}'" for kind in BODY_TYPES)


BLOCKS: Mapping[str, Callable[[], str]] = {
    "queue variables": queue_variables,
    "queue arns": queue_arns,
    "queue urls": queue_urls,
    "queue events": queue_events,
    "queues": queues,
    "dashboard": dashboard_body,
    "served contract": served_contract,
    "problems": problems,
    "other methods": other_methods,
    "any body": lambda: _for_any_body(404) + "\n",
}


def logical_id(vendor: str) -> str:
    """Begin the names of a vendor's resources in the template."""
    return vendor.capitalize()


def rewritten(text: str) -> str:
    """Fill the blocks of a file. Raises KeyError for a block that nobody writes."""

    def fill(found: re.Match[str]) -> str:
        margin, name = found["margin"], found["name"]
        body = indent(BLOCKS[name](), margin)
        return f"{margin}# generated: {name}\n{body}{margin}# end of generated"

    return BLOCK.sub(fill, text)


def vendor_schema() -> str:
    """Write the schema that the events' schemas and openapi.yaml refer to."""
    names = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Vendor",
        "description": "A built-in vendor, one that the operator has described, or for test keys "
        "one of the sandbox; GET /vendors lists the first two.",
        "type": "string",
        "pattern": f"^{NAME.pattern}$",
        "examples": [*VENDORS, *SANDBOX],
    }
    return json.dumps(names, indent=2) + "\n"


def generated() -> dict[Path, str]:
    """Return the files that hold something generated, as they should be."""
    template = (ROOT / TEMPLATE).read_text(encoding="utf-8")
    return {
        ROOT / TEMPLATE: rewritten(template),
        ROOT / VENDOR_SCHEMA: vendor_schema(),
        ROOT / DESCRIPTION_SCHEMA: json.dumps(schema(), indent=2) + "\n",
    }


def stale() -> list[str]:
    """Return the files that are not as they should be."""
    return [
        str(path.relative_to(ROOT))
        for path, text in generated().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def main() -> int:
    """Write the files, or with --check say which are stale; the exit status."""
    if "--check" in sys.argv[1:]:
        for name in stale():
            print(f"{name} is stale: run `make generate`", file=sys.stderr)
        return 1 if stale() else 0
    for _ in range(2):  # the dashboard shows what the first round wrote
        for path, text in generated().items():
            path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
