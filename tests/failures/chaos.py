"""Faults between the functions and what they talk to: relays on loopback that pass bytes on
unchanged and, at the call that a rule names, kill the caller, refuse, lose the answer or hold.

A relay kills with SIGKILL, and only a process below `root` that holds the very connection.
"""

import json
import os
import re
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote_plus

from testing.lineage import of_template

Action = Literal[
    "kill-before",  # the caller dies, the call never arrives
    "kill-after",  # the call does its work, the caller dies before it hears of it
    "lose-before",  # the connection breaks, the call never arrives
    "lose-after",  # the call does its work, the connection breaks before the answer
    "hang-after",  # the call does its work, and nothing is ever heard of it
    "error-after",  # the call does its work, the answer is a proxy's 502
    "throttle",  # DynamoDB: ProvisionedThroughputExceededException; EventBridge: Throttling…
    "condition",  # DynamoDB: ConditionalCheckFailedException
    "unavailable",  # 500
    "refuse-some",  # EventBridge: every other entry is answered as failed and does not arrive
    "hold",  # waits until the rule is released, then goes on
    "repeat",  # the call is made twice, the caller hears the second answer
    "watch",  # nothing; the call is only noted
]
PATIENCE = 200.0  # seconds that anything here waits at most
NO_LINGER = struct.pack("ii", 1, 0)  # closing sends RST
BATCH = re.compile(rb'"pk": ?\{"S": ?"([0-9A-HJKMNP-TV-Z]{26})"\}')
PAGE = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 25\r\n\r\n"
    b"<html>Bad Gateway.</html>"
)
ERRORS = {
    ("dynamodb", "throttle"): "ProvisionedThroughputExceededException",
    ("dynamodb", "condition"): "ConditionalCheckFailedException",
    ("dynamodb", "unavailable"): "InternalServerError",
    ("eventbridge", "throttle"): "ThrottlingException",
    ("eventbridge", "unavailable"): "InternalException",
}
REFUSED = {"ErrorCode": "InternalFailure", "ErrorMessage": "made up for a test"}


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it passes: `text` is its head and body, `about` the batches that it names."""

    service: str
    operation: str
    text: str = field(repr=False)


@dataclass(eq=False)
class Rule:
    """What is to happen to which calls.

    A call matches when it goes to `service`, its operation (X-Amz-Target's, or the vendor's path)
    ends with `operation`, all `words` are in it, and, if there is a `marker`, when it carries the
    marker or a batch whose writing carried it. The first `skip` matches pass; `count` are struck.
    With `answer`, a match is struck only if that is in the answer ("…-after" only).
    """

    service: str
    action: Action
    operation: str = ""
    words: tuple[str, ...] = ()
    marker: str = ""
    skip: int = 0
    count: int = 1
    answer: str = ""
    struck: int = 0
    over: int = 0  # how often it has struck and its effect is complete
    killed: list[int] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list, repr=False)
    released: threading.Event = field(default_factory=threading.Event)

    def wait(self, times: int | None = None) -> None:
        """Waits until the rule has had its effect so often (by default, as often as it can)."""
        self._wait(lambda: self.over, times)

    def begun(self, times: int | None = None) -> None:
        """Waits until so many calls have come under the rule."""
        self._wait(lambda: self.struck, times)

    def _wait(self, so_far: Callable[[], int], times: int | None) -> None:
        end = time.monotonic() + PATIENCE
        while so_far() < (self.count if times is None else times):
            if time.monotonic() > end:
                raise TimeoutError(f"{self} did not strike")
            time.sleep(0.05)


class Chaos:
    """The relays and the rules in force. `root` is the process whose descendants may be killed."""

    def __init__(self) -> None:
        self.root: Callable[[], int | None] = lambda: None
        self.relays: dict[str, Relay] = {}
        # Puts entries on the bus; a call that is signed can't be passed on in part.
        self.put_events: Callable[[list[Any]], list[Any]] = lambda _: []
        self.lineage = of_template()  # of what is sent to queues
        self._functions: dict[tuple[int, int], str] = {}  # by connection
        self._rules: list[Rule] = []
        self._batches: dict[str, set[str]] = {}
        self._lock = threading.Lock()

    def relay(self, service: str, port: int, at_once: int = 1000) -> "Relay":
        """A new relay to a port of this machine, which passes on so many calls at once."""
        made = Relay(self, service, port, at_once)
        self.relays[service] = made
        return made

    def stop(self) -> None:
        """Ends all relays, and whatever is held."""
        for rule in self._rules:
            rule.released.set()
        for relay in self.relays.values():
            relay.close()

    def add(self, rule: Rule) -> Rule:
        """Puts a rule in force, behind those already there."""
        with self._lock:
            self._rules.append(rule)
            if rule.marker:
                self._batches.setdefault(rule.marker, set())
        return rule

    def remove(self, *rules: Rule) -> None:
        """Ends rules, releasing what they hold."""
        with self._lock:
            for rule in rules:
                rule.released.set()
                if rule in self._rules:
                    self._rules.remove(rule)

    @contextmanager
    def rules(self, *rules: Rule) -> Iterator[None]:
        """Rules for the time of a block."""
        for rule in rules:
            self.add(rule)
        try:
            yield
        finally:
            self.remove(*rules)

    def know(self, marker: str) -> None:
        """From now on, notes which batches carry a marker."""
        with self._lock:
            self._batches.setdefault(marker, set())

    def batches(self, marker: str) -> set[str]:
        """The batches whose writing carried a marker."""
        with self._lock:
            return set(self._batches.get(marker, ()))

    def strikes(self, call: Call, raw: bytes) -> Rule | None:
        """The rule that this call falls under, which it uses up by one."""
        with self._lock:
            if call.operation in ("PutItem", "BatchWriteItem"):
                for marker, known in self._batches.items():
                    if marker in call.text:
                        known.update(found.decode() for found in BATCH.findall(raw))
            for rule in self._rules:
                if rule.struck >= rule.count or not self._matches(rule, call):
                    continue
                if rule.skip:
                    rule.skip -= 1
                    continue
                if not rule.answer:
                    rule.struck += 1
                rule.calls.append(call)
                return rule
        return None

    def _matches(self, rule: Rule, call: Call) -> bool:
        if rule.service != call.service or not call.operation.endswith(rule.operation):
            return False
        if not all(word in call.text for word in rule.words):
            return False
        if not rule.marker or rule.marker in call.text:
            return True
        return any(batch in call.text for batch in self._batches.get(rule.marker, ()))

    def strike_late(self, rule: Rule, answer: bytes) -> bool:
        """For a rule that waits for an answer: whether this is the one."""
        with self._lock:
            if rule.struck >= rule.count or rule.answer.encode() not in answer:
                return False
            rule.struck += 1
            return True

    def kill(self, rule: Rule, peer: int, here: int) -> None:
        """Ends the process at the other end of a connection, and waits until it is gone."""
        root = self.root()
        for pid in owners(peer, here):
            if root is None or pid == root or root not in ancestors(pid):
                continue
            os.kill(pid, signal.SIGKILL)
            rule.killed.append(pid)
            end = time.monotonic() + 5
            while alive(pid) and time.monotonic() < end:
                time.sleep(0.005)

    def loops(self, call: Call, raw: bytes, peer: int, here: int) -> bool:
        """Whether Lambda would take a send to a queue for a loop, and not hand it on."""
        if call.operation not in ("SendMessage", "SendMessageBatch"):
            return False
        sent = json.loads(raw)
        bodies = [one["MessageBody"] for one in sent.get("Entries", [sent])]
        function = self._function(peer, here)
        return not all([self.lineage.sent(function, body) for body in bodies])

    def _function(self, peer: int, here: int) -> str:
        """The logical id of the function at the other end of a connection; empty for none."""
        if (peer, here) not in self._functions:
            self._functions[peer, here] = next(
                filter(None, map(function_of, owners(peer, here))), ""
            )
        return self._functions[peer, here]

    def refuse_some(self, body: bytes) -> bytes:
        """The answer to a PutEvents of which every other entry was taken."""
        entries = json.loads(body)["Entries"]
        taken = self.put_events(entries[::2])
        said = [REFUSED if n % 2 else taken[n // 2] for n in range(len(entries))]
        return answer("200 OK", {"FailedEntryCount": len(entries) // 2, "Entries": said})


class Relay:
    """One address in front of another. `down` makes it refuse connections, `up` take them again."""

    def __init__(self, chaos: Chaos, service: str, target: int, at_once: int) -> None:
        self._chaos = chaos
        self._room = threading.BoundedSemaphore(at_once)
        self.service = service
        self.target = target
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._listener = _bound(0)
        self.port = int(self._listener.getsockname()[1])
        self.passed = 0
        self._listen()

    @property
    def url(self) -> str:
        """The relay's address."""
        return f"http://127.0.0.1:{self.port}"

    def down(self) -> None:
        """From now on nobody can connect; what was connected is cut."""
        _shut(self._listener)
        self._cut()
        self._listener = _bound(self.port)  # bound and not listening: refused, and not lost

    def up(self) -> None:
        """Takes connections again."""
        self._listen()

    def close(self) -> None:
        """Ends the relay."""
        self._closed.set()
        _shut(self._listener)
        self._cut()

    def _cut(self) -> None:
        with self._lock:
            every = list(self._open)
        for one in every:
            _shut(one)

    def _listen(self) -> None:
        self._listener.listen(512)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                caller, address = listener.accept()
            except OSError:
                return
            caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(caller)
            threading.Thread(target=self._serve, args=(caller, address[1]), daemon=True).start()

    def _serve(self, caller: socket.socket, peer: int) -> None:
        line = Line(self.target)
        try:
            reader = Reader(caller)
            while (request := reader.message()) is not None:
                with self._room:
                    if not self._one(caller, peer, line, request):
                        break
        except (OSError, ValueError):
            pass
        finally:
            line.close()
            with self._lock:
                self._open.discard(caller)
            _shut(caller)

    def _one(self, caller: socket.socket, peer: int, line: "Line", request: "Message") -> bool:
        """Passes one call on, or does what a rule says; whether the connection goes on."""
        self.passed += 1
        call = Call(self.service, request.operation, request.text)
        if self.service == "sqs" and self._chaos.loops(call, request.body, peer, self.port):
            return _reset(caller)
        rule = self._chaos.strikes(call, request.body)
        if rule is None:
            return self._pass_on(caller, line, request)
        try:
            return self._struck(rule, caller, peer, line, request)
        finally:
            if not rule.answer and rule.action != "hang-after":
                rule.over += 1

    def _pass_on(self, caller: socket.socket, line: "Line", request: "Message") -> bool:
        answer = line.ask(request, caller)
        if answer is None:
            return _reset(caller)
        caller.sendall(answer.raw)
        return answer.keep

    def _struck(
        self, rule: Rule, caller: socket.socket, peer: int, line: "Line", request: "Message"
    ) -> bool:
        action = rule.action
        match action:
            case "kill-before":
                self._chaos.kill(rule, peer, self.port)
                return False
            case "lose-before":
                return _reset(caller)
            case "throttle" | "condition" | "unavailable":
                caller.sendall(refusal(rule.service, action))
                return True
            case "refuse-some":
                caller.sendall(self._chaos.refuse_some(request.body))
                return True
            case "hold":
                rule.released.wait(PATIENCE)
            case "repeat":
                line.ask(request, caller)
        if not action.endswith("-after"):
            return self._pass_on(caller, line, request)
        answer = line.ask(request, caller)
        if answer is None:
            return _reset(caller)
        if rule.answer and not self._chaos.strike_late(rule, answer.body):
            caller.sendall(answer.raw)
            return answer.keep
        match action:
            case "lose-after":
                return _reset(caller)
            case "error-after":
                caller.sendall(PAGE)
                return True
            case "hang-after":
                rule.over += 1
                select.select([caller], [], [], PATIENCE)
            case _:
                self._chaos.kill(rule, peer, self.port)
                rule.over += bool(rule.answer)
        return False


@dataclass(frozen=True, slots=True)
class Message:
    """One HTTP request or answer, as it came."""

    head: bytes
    body: bytes
    framed: bytes  # the body as it came, in chunks or not
    keep: bool

    @property
    def raw(self) -> bytes:
        """All of it."""
        return self.head + self.framed

    @property
    def operation(self) -> str:
        """X-Amz-Target's last part, or the path."""
        found = re.search(rb"\r\nx-amz-target: *\S*\.(\w+)", self.head, re.I)
        if found:
            return found[1].decode()
        return self.head.split(b" ", 2)[1].partition(b"?")[0].decode("latin-1")

    @property
    def text(self) -> str:
        """Address and body, readable."""
        line = self.head.partition(b"\r\n")[0].decode("latin-1")
        body = self.body.decode("utf-8", "replace")
        if b"x-www-form-urlencoded" in self.head.lower():
            body = unquote_plus(body)
        return f"{unquote_plus(line)}\n{body}"


class Reader:
    """Takes HTTP messages off a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rb")

    def message(self) -> Message | None:
        """The next message; None when the other side has had enough."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._file.readline(1 << 20)
            if not line:
                return None
            head += line
        fields = dict(
            (name.strip().lower(), value.strip())
            for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
        )
        keep = fields.get(b"connection", b"").lower() != b"close"
        if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
            return Message(head, *self._chunks(), keep)
        if b"content-length" in fields:
            length = int(fields[b"content-length"])
            body = self._file.read(length)
            if len(body) < length:
                return None
            return Message(head, body, body, keep)
        if head.startswith(b"HTTP/") and head.split(b" ", 2)[1] not in (b"204", b"304"):
            body = self._file.read()
            return Message(head, body, body, False)
        return Message(head, b"", b"", keep)

    def _chunks(self) -> tuple[bytes, bytes]:
        body = framed = b""
        while True:
            line = self._file.readline()
            size = int(line.partition(b";")[0], 16)
            part = self._file.read(size + 2)
            framed += line + part
            body += part[:size]
            if size == 0:
                return body, framed


class Line:
    """The relay's own connection to what stands behind it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self._reader: Reader | None = None

    def ask(self, request: Message, caller: socket.socket) -> Message | None:
        """The answer; None when there was none, or the caller left."""
        if self._socket is None or self._reader is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), 5)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.settimeout(PATIENCE)
            self._reader = Reader(self._socket)
        elif select.select([self._socket], [], [], 0)[0]:
            self.close()  # it was closed while it rested; nothing of this call was sent
            return self.ask(request, caller)
        try:
            self._socket.sendall(request.raw)
            while True:
                ready, _, _ = select.select([self._socket, caller], [], [], PATIENCE)
                if self._socket in ready:
                    break
                if not ready or not caller.recv(1, socket.MSG_PEEK):
                    self.close()
                    return None
            answer = self._reader.message()
        except OSError:
            answer = None
        if answer is None or not answer.keep:
            self.close()
        return answer

    def close(self) -> None:
        """Ends the connection."""
        if self._socket is not None:
            _shut(self._socket)
        self._socket = self._reader = None


def refusal(service: str, action: str) -> bytes:
    """A service's answer for a refusal."""
    kind = f"com.amazonaws.{service}#{ERRORS[service, action]}"
    status = "500 Internal Server Error" if action == "unavailable" else "400 Bad Request"
    return answer(status, {"__type": kind, "message": "made up for a test"})


def answer(status: str, document: object) -> bytes:
    """An AWS service's answer."""
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.0\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def owners(port: int, remote: int) -> list[int]:
    """The processes that hold the connection from a local port to another."""
    wanted = f"0100007F:{port:04X}", f"0100007F:{remote:04X}"
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if (fields[1], fields[2]) == wanted:
            inodes.add(f"socket:[{fields[9]}]")
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            held = {str(one.readlink()) for one in (process / "fd").iterdir()}
        except OSError:
            continue
        if inodes & held:
            found.append(int(process.name))
    return found


def function_of(pid: int) -> str:
    """The logical id of the function that a process of the emulator runs; empty for none."""
    with suppress(OSError):
        for one in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            name, _, value = one.partition(b"=")
            if name == b"AWS_LAMBDA_FUNCTION_NAME":
                return next((part for part in value.decode().split("-") if "Function" in part), "")
    return ""


def ancestors(pid: int) -> list[int]:
    """The processes that a process descends from."""
    found: list[int] = []
    while pid > 1:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            break
        pid = int(stat.rpartition(")")[2].split()[1])
        found.append(pid)
    return found


def alive(pid: int) -> bool:
    """Whether a process still runs."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    return made


def _reset(connection: socket.socket) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    os.close(connection.detach())  # past the socket object, which would say FIN first
    return False


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
