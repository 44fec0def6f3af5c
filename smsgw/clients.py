"""The operator's clients of AWS: botocore's, each made once, from the session of the gateway's own.

Another session, as boto3 has one, would read the descriptions of the services a second time.
"""

from functools import cache
from threading import Lock
from typing import Any

from botocore.config import Config

from sms_gateway.aws import clients

CALLS_AT_ONCE = 16  # of a service
CONFIG = Config(max_pool_connections=CALLS_AT_ONCE)

_lock = Lock()  # else threads that ask at the same time make several


def client(service: str, config: Config = CONFIG) -> Any:
    """Return this process's client of a service; it waits and tries again as botocore does."""
    with _lock:
        return _made(service, config)


@cache
def _made(service: str, config: Config) -> Any:
    return clients.make(service, config)
