"""AWS's clients: one session, whose descriptions of the services are read once.

Each service has one module that asks for its client. Clients are botocore's: boto3 would add
resources and S3's transfers to every start, and nothing here needs them.
"""

from threading import Lock
from typing import Any

from botocore.config import Config

from sms_gateway.aws import botocore_shortcuts

# What every call would otherwise pay for: botocore checks each parameter against the description,
# which AWS does again, and puts a long user agent together twice.
BASE_CONFIG = Config(parameter_validation=False, user_agent="sms-gateway", tcp_keepalive=True)
SMALL_CALL_CONFIG = Config(
    connect_timeout=2, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 3}
)
CONFIGS = {
    "dynamodb": Config(
        connect_timeout=2,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 4},
        max_pool_connections=32,  # storage/dynamodb.py's writers, twice
    ),
    "events": Config(
        connect_timeout=2,
        read_timeout=5,
        # Retried by events/eventbridge.py alone: botocore would not know when the time is over.
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=8,  # its calls at once
    ),
    "kms": SMALL_CALL_CONFIG,
    "s3": Config(
        connect_timeout=2,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 4},
        # Else each part has a checksum that S3 wants to see again when the parts are put together.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    ),
    # Signs links that others follow: only with this style do they name the region's own host.
    "s3 links": Config(signature_version="s3v4", s3={"addressing_style": "virtual"}),
    "secretsmanager": SMALL_CALL_CONFIG,
    "sqs": SMALL_CALL_CONFIG,
}

_lock = Lock()  # making a client is not safe in several threads
_clients: dict[str, Any] = {}
_session = botocore_shortcuts.new_session()


def client(service: str) -> Any:
    """Return this process's one client of a service, with BASE_CONFIG and its own of CONFIGS.

    What stands behind a service's name there is another client of it, for another purpose.
    """
    if service not in _clients:
        with _lock:
            if service not in _clients:
                config = BASE_CONFIG.merge(CONFIGS[service])
                _clients[service] = _session.create_client(service.split()[0], config=config)
    return _clients[service]


def make(service: str, config: Config) -> Any:
    """Make a client that the caller keeps, with a configuration of the caller's own."""
    with _lock:
        return _session.create_client(service, config=config)


def reset() -> None:
    """Forget every client, and the session with whatever hooks it has."""
    global _session
    _clients.clear()
    _session = botocore_shortcuts.new_session()
