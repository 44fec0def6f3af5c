"""AWS as `smsgw` asks it: by a session of the test's own, which may answer in AWS's place."""

from functools import cache
from typing import Any

import pytest
from botocore.config import Config

from sms_gateway.aws import botocore_shortcuts
from smsgw import clients


def new_session(patch: pytest.MonkeyPatch) -> Any:
    """Return what `smsgw` makes its clients from until the test's end; it has none yet.

    Handlers of botocore's events are registered on it before a command makes the client.
    """
    made = botocore_shortcuts.new_session()

    def make(service: str, config: Config) -> Any:
        return made.create_client(service, config=config)

    patch.setattr(clients, "_made", cache(make))
    return made
