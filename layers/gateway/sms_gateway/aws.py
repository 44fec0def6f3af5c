"""AWS's clients: one session, whose descriptions of the services are read once.

Each service has one module that asks for its client. botocore is used as it is: boto3 would add
resources and S3's transfers to every start, and nothing here needs them.
"""

from threading import Lock
from typing import Any

import botocore.session
from botocore.config import Config

# What every call would otherwise pay for: botocore checks each parameter against the description,
# which AWS does again, and puts a long user agent together twice.
LEAN = Config(parameter_validation=False, user_agent="sms-gateway", tcp_keepalive=True)

_lock = Lock()  # making a client is not safe in several threads
_clients: dict[str, Any] = {}


def _new_session() -> botocore.session.Session:
    """A session that has read what every client needs. That takes longer than all else about a
    client, and holds no credentials, so that it may be done while a function starts."""
    session = botocore.session.get_session()
    session.get_available_partitions()
    loader = session.get_component("data_loader")
    for name in ("partitions", "sdk-default-configuration", "_retry"):
        loader.load_data(name)
    for kind in ("service-2", "endpoint-rule-set-1"):
        loader.load_service_model("dynamodb", kind)  # all functions use the table
    return session


_session = _new_session()


def client(service: str, config: Config) -> Any:
    """The one client of a service in this process, made with LEAN and `config` when first asked
    for."""
    if service not in _clients:
        with _lock:
            if service not in _clients:
                merged = LEAN.merge(config)
                _clients[service] = _session.create_client(service, config=merged)
    return _clients[service]


def session(config: Config) -> Any:
    """A new session whose clients have LEAN and `config`, for a library that makes its own."""
    made = _new_session()
    made.set_default_client_config(LEAN.merge(config))
    return made


def forget() -> None:
    """Forgets every client, and the session with whatever hooks it has."""
    global _session
    _clients.clear()
    _session = _new_session()
