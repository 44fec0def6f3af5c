"""`smsgw listen`: a tenant's message events to a program on this machine, without a tunnel."""

import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice

import click
import urllib3

from sms_gateway.core.event import EVENT_OF_STATUS, Event
from sms_gateway.core.status import Status
from sms_gateway.core.timestamps import epoch_ms, utc_now
from sms_gateway.events.builders import message_event
from sms_gateway.messages.views import message_view
from sms_gateway.storage import message_repository
from sms_gateway.storage.models import Batch, Message, Submission, TimelineEntry
from sms_gateway.webhooks.delivery_message import delivery_id
from sms_gateway.webhooks.signing import sign_headers
from smsgw import arguments
from smsgw.cancelling import batches_of
from smsgw.line import Command
from smsgw.terminal import flush, say

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
PAUSE_SECONDS = 2
MAX_BATCHES = 50  # looked at each time: the newest
TIMEOUT_SECONDS = 5.0
REPORTED = (Status.ACCEPTED, Status.SCHEDULED, *EVENT_OF_STATUS)
Post = Callable[[str, bytes, dict[str, str]], int | None]


def _address(text: str) -> str:
    """Return an address on this machine. Raises BadParameter."""
    try:
        parts = urllib3.util.parse_url(text)  # as it is read when it is called
    except urllib3.exceptions.LocationParseError:
        parts = urllib3.util.Url()
    if parts.scheme not in ("http", "https") or parts.host not in LOOPBACK:
        raise click.BadParameter("write an address on this machine, such as http://localhost:3000")
    return text


@click.command(
    "listen",
    cls=Command,
    help="Post a tenant's message events to a program on this machine, signed as webhooks are; "
    "Ctrl-C ends it. It looks at the newest 50 batches every two seconds. It does not repeat what "
    "your program refused, tells no BatchCompleted and no verification, masks numbers, and may "
    "miss events when more than 50 batches come at once. Real webhooks are not affected.",
    reads=True,
    examples=("smsgw listen --tenant acme --forward-to http://localhost:3000/hooks",),
)
@click.option("--tenant", required=True, type=arguments.tenant, help="Whose events.")
@click.option(
    "--forward-to", required=True, type=_address, metavar="URL", help="Where your program listens."
)
def COMMAND(tenant: str, forward_to: str) -> None:  # noqa: N802 - one name in each module
    """Post until it is stopped."""
    secret = f"whsec_{b64encode(secrets.token_bytes(24)).decode()}"
    say(f"The events of {tenant} from now on go to {forward_to}, signed with this secret:")
    say(secret)
    listener = Listener(tenant, forward_to, secret, epoch_ms(utc_now()))
    while True:
        listener.look()
        flush()
        time.sleep(PAUSE_SECONDS)


def post(url: str, body: bytes, headers: dict[str, str]) -> int | None:
    """Post once, and return the status; None without an answer."""
    try:
        answer = urllib3.request(
            "POST", url, body=body, headers=headers, timeout=TIMEOUT_SECONDS, retries=False
        )
    except urllib3.exceptions.HTTPError:
        return None
    return answer.status


class Listener:
    """What was told of a tenant since a moment (epoch milliseconds), and where it goes."""

    def __init__(self, tenant: str, url: str, secret: str, since: int, send: Post = post) -> None:
        self._tenant, self._url, self._secret = tenant, url, secret
        self._since, self._send = since, send
        self._reported: set[str] = set()
        self._over: set[str] = set()  # batches of which nothing more comes

    def look(self) -> None:
        """Tell what is new, each batch's events in their order."""
        for identifier in reversed(list(islice(batches_of(self._tenant), MAX_BATCHES))):
            if identifier in self._over:
                continue
            whole = message_repository.whole_batch(identifier)
            if whole is None:
                continue
            batch, members = whole
            fresh = [
                event
                for message, sub in members
                for event in _events(batch, message, sub)
                if event.at >= self._since and event.id not in self._reported
            ]
            for event in sorted(fresh, key=lambda one: one.at):
                self._tell(event)
            if all(message_view(batch, message, sub)["final"] for message, sub in members):
                self._over.add(identifier)

    def _tell(self, event: Event) -> None:
        self._reported.add(event.id)
        body = event.to_json()
        identifier = delivery_id(event.at, event.id)
        headers = sign_headers(identifier, utc_now(), body, [self._secret])
        status = self._send(self._url, body.encode(), dict(headers))
        say(f"{status or 'no answer'}  {event.type}  {event.data['message_id']}")


def _events(batch: Batch, message: Message, sub: Submission) -> Iterator[Event]:
    """Yield the events of a message's steps."""
    for step in message_view(batch, message, sub)["timeline"]:
        status = Status(step["status"])
        if status in REPORTED:
            at = epoch_ms(datetime.fromisoformat(step["at"]))
            entry = TimelineEntry(
                at, status, step["source"], step["vendor"], code=step["vendor_code"]
            )
            yield message_event(batch, message.id, message.content, status, entry, full=False)
