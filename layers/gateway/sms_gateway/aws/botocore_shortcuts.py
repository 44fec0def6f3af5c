"""Everything that makes botocore start and answer faster, in one place.

- reduced API descriptions, derived from botocore's own when the layer is built
  (layers/gateway/reduce_descriptions.py), on a search path of botocore's loader; without a built
  layer botocore's own are read;
- descriptions decoded by msgspec;
- no endpoint rules for DynamoDB: its endpoint is the region's, found once;
- event handlers of a service registered when a client of it is made, and none that document;
- DynamoDB's answers decoded by msgspec (dynamodb_response_parser.py);
- what every client needs is read while a function starts;
- boto3, which the AWS Encryption SDK imports and does not use for a client that it is given, waits
  for its first use.

SMS_GATEWAY_PLAIN_BOTOCORE=1 switches all of them off. Calls and answers are the same with and
without: tests/unit/aws/test_clients.py makes them both ways.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
from botocore.exceptions import UnknownServiceError
from botocore.handlers import BUILTIN_HANDLERS, REGISTER_FIRST, REGISTER_LAST
from botocore.loaders import JSONFileLoader, Loader
from botocore.parsers import ResponseParserFactory
from botocore.session import Session

from sms_gateway.aws.dynamodb_response_parser import DynamoDbParserFactory

REDUCED = Path(__file__).with_name("botocore_data")
RULES = "endpoint-rule-set-1"


def new_session() -> Session:
    """Return a session with the shortcuts, or botocore's own.

    It holds no credentials yet, so that it may be made while a function starts.
    """
    return Session() if _plain() else ShortcutSession()


@contextmanager
def boto3_when_used() -> Iterator[None]:
    """Let boto3, where it is imported within for the first time, load when it is first used.

    By Python's own LazyLoader: the module is boto3's, as published. It saves a start what nothing
    uses: boto3's resources, and S3's transfers with multiprocessing.
    """
    finders: list[Any] = [] if _plain() else [_LazyBoto3Finder]
    sys.meta_path[:0] = finders
    try:
        yield
    finally:
        for finder in finders:
            sys.meta_path.remove(finder)


class _LazyBoto3Finder:
    @staticmethod
    def find_spec(
        name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name) if name == "boto3" else None
        if spec and spec.loader:
            spec.loader = LazyLoader(spec.loader)
        return spec


def _plain() -> bool:
    return os.environ.get("SMS_GATEWAY_PLAIN_BOTOCORE") == "1"


class MsgspecFileLoader(JSONFileLoader):
    """Reads botocore's descriptions, in a third of the time that json takes for ordered ones."""

    def load_file(self, file_path: str) -> Any:
        """Return what a file says, named without its ending; None when there is none."""
        plain = Path(f"{file_path}.json")
        if plain.is_file():
            return msgspec.json.decode(plain.read_bytes())
        return super().load_file(file_path)


class ReducedLoader(Loader):
    """Finds the reduced descriptions before botocore's own, where there are any.

    Knows no rules for DynamoDB's endpoints, so that botocore takes the region's own from its
    table of them once for all calls. The rules come to the same, but for each call anew, which
    is a fourteenth of its CPU time, and are read at every start.
    """

    def __init__(self) -> None:
        built = REDUCED.is_dir()
        super().__init__(
            extra_search_paths=[str(REDUCED)] if built else None,
            file_loader=MsgspecFileLoader(),
            include_default_extras=not built,  # the reduced ones hold them already
        )

    def load_service_model(
        self, service_name: str, type_name: str, api_version: str | None = None
    ) -> Any:
        """Return a service's description."""
        if (service_name, type_name) == ("dynamodb", RULES):
            raise UnknownServiceError(service_name=service_name, known_service_names="")
        return super().load_service_model(service_name, type_name, api_version)

    def is_builtin_path(self, path: str) -> bool:
        """Return whether a path is AWS's own: the reduced descriptions are botocore's."""
        return path.startswith(str(REDUCED)) or super().is_builtin_path(path)


class ShortcutSession(Session):
    """A session that has read what every client needs: most of the work on a client."""

    def __init__(self) -> None:
        super().__init__(include_builtin_handlers=False)
        self._register_handlers("")
        loader = ReducedLoader()
        self.register_component("data_loader", loader)
        self.get_available_partitions()
        for name in ("partitions", "sdk-default-configuration", "_retry"):
            loader.load_data(name)
        loader.load_service_model("dynamodb", "service-2")  # all functions use the table

    def create_client(self, service_name: str, *args: Any, **options: Any) -> Any:
        """Return a client, with the handlers and the parser of its service.

        Not safe in several threads, as botocore's own.
        """
        quick = service_name == "dynamodb"
        parsers = DynamoDbParserFactory() if quick else ResponseParserFactory()
        self.register_component("response_parser_factory", parsers)
        self._register_handlers(self.get_service_model(service_name).service_id.hyphenize())
        return super().create_client(service_name, *args, **options)

    def _register_handlers(self, service: str) -> None:
        """Register botocore's handlers for the events of a service, or for those of all.

        Those that write documentation are left out. Registering takes time, and 37 of 127 handlers
        are S3's: a start without S3 does without them.
        """
        emitter = self.get_component("event_emitter")
        places = {REGISTER_FIRST: emitter.register_first, REGISTER_LAST: emitter.register_last}
        for event, handler, *place in BUILTIN_HANDLERS:
            kind, _, rest = event.partition(".")
            if kind != "docs" and rest.partition(".")[0] == service:
                register = places[place[0]] if place else emitter.register
                register(event, handler, unique_id=(event, handler))  # once, if asked for again
