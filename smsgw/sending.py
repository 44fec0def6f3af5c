"""Send one message by the gateway's own API, as any caller would."""

import os
import time
from collections.abc import Mapping
from typing import Any

import urllib3

from sms_gateway.core.timestamps import utc_now
from sms_gateway.core.ulids import new_ulid
from smsgw.errors import CommandError
from smsgw.line import given
from smsgw.stack import Stack
from smsgw.terminal import flush, is_asked, note, prompt, say, say_json

KEY = "SMSGW_KEY"
TIMEOUT_SECONDS = 30.0
TRIES = 3
WAIT_SECONDS = 600
PAUSE_SECONDS = 1.0


def send(
    stack: Stack, message: Mapping[str, object], *, wait: bool, key: str | None = None
) -> None:
    """Send a message, print what became of it, and with `wait` its steps until it is final.

    Raise CommandError when it is refused.
    """
    key = key or _key(stack)
    body = {name: value for name, value in message.items() if value is not None}
    answer = call(stack, key, "POST", "/messages", body)
    if answer["rejected"]:
        problem = answer["rejected"][0]["problem"]
        raise CommandError(f"refused: {problem['title']}: {problem['detail']}")
    sent = answer["messages"][0]
    if wait:
        sent = _wait(stack, key, sent["id"])
    if given("json"):
        say_json(sent)
    elif not wait:
        say(f"{sent['id']}  {sent['status']}  {sent['vendor']}  {sent['segments']} segments")
        say(f"What became of it: smsgw messages show {sent['id']}")


def call(stack: Stack, key: str, method: str, path: str, body: object = None) -> Any:
    """Call the API and return its answer. Raise CommandError for a problem or no answer.

    Each try has the same Idempotency-Key, so that none sends a second time.
    """
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": new_ulid(utc_now())}
    for left in reversed(range(TRIES)):
        try:
            answer = urllib3.request(
                method,
                stack.url + path,
                headers=headers,
                json=body,
                timeout=TIMEOUT_SECONDS,
                retries=False,
            )
            document = answer.json()
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            if left:
                continue
            maybe = (
                "; it may have taken the message all the same: smsgw messages list" if body else ""
            )
            raise CommandError(
                f"the API at {stack.url} gives no answer ({type(error).__name__}): "
                f"smsgw doctor{maybe}"
            ) from None
        break
    if answer.status >= 300:
        said = document.get("detail") or document.get("message")
        raise CommandError(f"{answer.status} {document.get('title', '')}: {said}")
    return document


def _key(stack: Stack) -> str:
    if found := os.environ.get(KEY) or stack.local_key:
        return found
    if is_asked():
        return prompt("API key (messages:send)", hidden=True)
    raise CommandError(
        f"set {KEY} to an API key with messages:send and messages:read (`smsgw keys create`)"
    )


def _wait(stack: Stack, key: str, identifier: str) -> Any:
    """Print a message's steps as they come, until it is final or WAIT_SECONDS are over."""
    note("Waiting for the receipt, some minutes perhaps; Ctrl-C ends the wait, not the message.")
    shown, until = 0, time.monotonic() + WAIT_SECONDS
    while True:
        view = call(stack, key, "GET", f"/messages/{identifier}")
        for step in [] if given("json") else view["timeline"][shown:]:
            parts = (step["vendor_code"], step["vendor_text"], step["note"])
            words = " ".join(filter(None, parts))
            say(f"{step['at']}  {step['status']:11}  {step['source']:8}  {step['vendor']}  {words}")
        flush()
        shown = len(view["timeline"])
        if view["final"] or time.monotonic() > until:
            return view
        time.sleep(PAUSE_SECONDS)
