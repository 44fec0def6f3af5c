"""DynamoDB's answers, read by msgspec.

Botocore walks each one along the API's description, to make times and bytes of what JSON can't
say. The calls made here are answered with no times, and hardly ever with bytes.
"""

from typing import Any

import msgspec
from botocore.parsers import JSONParser, ResponseParser, ResponseParserFactory

BYTES = (b'"B":', b'"BS":')  # an attribute of bytes; in a text the quotes would be escaped


class _Parser(JSONParser):
    def _handle_json_body(self, raw_body: bytes, shape: Any) -> Any:
        if not any(marker in raw_body for marker in BYTES):
            try:
                return msgspec.json.decode(raw_body)
            except msgspec.DecodeError:
                pass  # an empty body, or none of DynamoDB's
        botocores: Any = (
            super()
        )  # internal: tests/unit/aws/test_dynamodb_response_parser.py holds it
        return botocores._handle_json_body(raw_body, shape)


class DynamoDbParserFactory(ResponseParserFactory):
    """Makes the parser of DynamoDB's client, for botocore."""

    def create_parser(self, protocol_name: str) -> ResponseParser:
        """One that reads answers as they are, but for those with bytes in them."""
        return _Parser() if protocol_name == "json" else super().create_parser(protocol_name)
