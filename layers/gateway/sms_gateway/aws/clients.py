"""AWS's clients: one session, whose descriptions of the services are read once.

Each service has one module that asks for its client. botocore is used as it is: boto3 would add
resources and S3's transfers to every start, and nothing here needs them.
"""

from pathlib import Path
from threading import Lock
from typing import Any

import botocore.session
import msgspec
from botocore.config import Config
from botocore.exceptions import UnknownServiceError
from botocore.handlers import BUILTIN_HANDLERS, REGISTER_FIRST, REGISTER_LAST
from botocore.loaders import JSONFileLoader, Loader
from botocore.parsers import ResponseParserFactory

from sms_gateway.aws.dynamodb_response_parser import Parsers

# What every call would otherwise pay for: botocore checks each parameter against the description,
# which AWS does again, and puts a long user agent together twice.
LEAN = Config(parameter_validation=False, user_agent="sms-gateway", tcp_keepalive=True)

RULES = "endpoint-rule-set-1"

_lock = Lock()  # making a client is not safe in several threads
_clients: dict[str, Any] = {}


class _Files(JSONFileLoader):
    """Reads botocore's descriptions, in a third of the time that json takes for ordered ones."""

    def load_file(self, file_path: str) -> Any:
        """What a file says, named without its ending; None when there is none."""
        plain = Path(f"{file_path}.json")
        if plain.is_file():
            return msgspec.json.decode(plain.read_bytes())
        return super().load_file(file_path)


class _Loader(Loader):
    """Knows no rules for DynamoDB's endpoints, so that botocore takes the region's own from its
    table of them once for all calls. The rules come to the same, but for each call anew, which is a
    fourteenth of its CPU time, and are read at every start."""

    def load_service_model(
        self, service_name: str, type_name: str, api_version: str | None = None
    ) -> Any:
        """A service's description."""
        if (service_name, type_name) == ("dynamodb", RULES):
            raise UnknownServiceError(service_name=service_name, known_service_names="")
        return super().load_service_model(service_name, type_name, api_version)


def _new_session() -> botocore.session.Session:
    """A session that has read what every client needs. That takes longer than all else about a
    client, and holds no credentials, so that it may be done while a function starts."""
    session = botocore.session.Session(include_builtin_handlers=False)
    _handle_events(session)
    loader = _Loader(file_loader=_Files())
    session.register_component("data_loader", loader)
    session.get_available_partitions()
    for name in ("partitions", "sdk-default-configuration", "_retry"):
        loader.load_data(name)
    loader.load_service_model("dynamodb", "service-2")  # all functions use the table
    return session


def _handle_events(session: botocore.session.Session, service: str = "") -> None:
    """What botocore itself does about the events of a service, or about all services', but for what
    writes documentation. To put a handler in its place takes its time, and 37 of 127 are S3's: a
    start without S3 does without them."""
    emitter = session.get_component("event_emitter")
    places = {REGISTER_FIRST: emitter.register_first, REGISTER_LAST: emitter.register_last}
    for event, handler, *place in BUILTIN_HANDLERS:
        kind, _, rest = event.partition(".")
        if kind != "docs" and rest.partition(".")[0] == service:
            register = places[place[0]] if place else emitter.register
            register(event, handler, unique_id=(event, handler))  # once, if asked for again


_session = _new_session()


def client(service: str, config: Config) -> Any:
    """The one client of a service in this process, made with LEAN and `config` when first asked
    for."""
    if service not in _clients:
        with _lock:
            if service not in _clients:
                merged = LEAN.merge(config)
                parsers = Parsers() if service == "dynamodb" else ResponseParserFactory()
                _session.register_component("response_parser_factory", parsers)
                described = _session.get_service_model(service)
                _handle_events(_session, described.service_id.hyphenize())
                _clients[service] = _session.create_client(service, config=merged)
    return _clients[service]


def forget() -> None:
    """Forgets every client, and the session with whatever hooks it has."""
    global _session
    _clients.clear()
    _session = _new_session()
