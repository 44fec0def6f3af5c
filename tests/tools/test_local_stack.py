"""What `make run` stands on: who runs, what is unpacked, what a stack is made from."""

import os
import select
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from local import kept
from local.__main__ import _interrupt as interrupted
from local.archives import SharedZip
from local.instance import holding
from local.processes import StackError
from local.simulators.control import ROUTES
from local.simulators.faults import FAULTS
from local.stack import ROOT, LocalStack

PYTHONPATH = f"{ROOT}/layers/gateway:{ROOT}"
URL = "http://127.0.0.1:4566/v1"


def test_a_second_start_names_the_first(tmp_path: Path) -> None:
    with (
        holding(tmp_path, URL),
        pytest.raises(StackError, match=f"process {os.getpid()}, at {URL}"),
        holding(tmp_path, "http://127.0.0.1:1/v1"),
    ):
        pytest.fail("both run")


def test_what_stopped_holds_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        with holding(tmp_path, URL):
            assert str(os.getpid()) in (tmp_path / "running.json").read_text()
    assert (tmp_path / "running.json").read_text() == ""


def test_one_port_is_not_given_to_both(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="GATEWAY_PORT and SIMULATOR_PORT are both 4566"):
        LocalStack(tmp_path, 4566, 4566)


def test_what_is_stored_keeps_its_ports(tmp_path: Path) -> None:
    stored = '{"ports": [4566, 8800], "inputs": "", "facts": {}}'
    (tmp_path / "deployed.json").write_text(stored)
    with (
        pytest.raises(StackError, match="GATEWAY_PORT=4566 SIMULATOR_PORT=8800"),
        kept.resumed(LocalStack(tmp_path, 4567, 8800)),
    ):
        pytest.fail("it runs")
    assert (tmp_path / "deployed.json").read_text() == stored


def test_a_record_that_was_cut_short_is_told(tmp_path: Path) -> None:
    (tmp_path / "deployed.json").write_text('{"ports": [4566')
    with (
        pytest.raises(StackError, match=r"deployed.json is not whole.*`make reset`"),
        kept.resumed(LocalStack(tmp_path, 4566, 8800)),
    ):
        pytest.fail("it runs")


@pytest.mark.parametrize("arguments", [[], ["reset"]])
@pytest.mark.parametrize("port", ["4566", "\u00b2"])
def test_what_the_system_refuses_is_one_line(
    arguments: list[str], port: str, tmp_path: Path
) -> None:
    (tmp_path / ".local").touch()  # no folder can be made here, as where nobody may write
    ended = subprocess.run(
        [sys.executable, "-m", "local", *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": PYTHONPATH, "GATEWAY_PORT": port},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"make {''.join(arguments) or 'run'}: ")
    assert ended.stderr.count("\n") == 1


def test_a_changed_function_is_another_stack(tmp_path: Path) -> None:
    app = tmp_path / "functions" / "send" / "app.py"
    app.parent.mkdir(parents=True)
    app.write_text("1")
    before = kept.inputs_digest(tmp_path)
    (app.parent / "__pycache__").mkdir()
    (app.parent / "__pycache__" / "app.pyc").write_text("code")
    assert kept.inputs_digest(tmp_path) == before
    app.write_text("2")
    assert kept.inputs_digest(tmp_path) != before


def test_an_archive_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    places = []
    for name in ("first", "second"):
        archive = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(zipfile.ZipInfo("python/package.py"), "x = 1")
        places.append(tmp_path / name)
        places[-1].mkdir()
        with SharedZip(archive) as file:
            file.extractall(places[-1])
        assert not archive.exists()
    first, second = ((place / "python" / "package.py").resolve() for place in places)
    assert first == second
    assert first.read_text() == "x = 1"


def test_the_guide_names_every_fault_and_control_route() -> None:
    guide = (ROOT / "docs" / "guides" / "simulators.md").read_text()
    assert [fault for fault in sorted(FAULTS) if f"`{fault}`" not in guide] == []
    routes = [f"`{method} {path}" for method, path in ROUTES if path != "/_health"]
    assert [route for route in routes if route not in guide] == []


class Recorded(LocalStack):
    """A stack without processes, which records what it does."""

    did: list[str]

    def __post_init__(self) -> None:
        self.did = []

    def start(self) -> None:
        self.did.append("start")

    def build(self) -> None:
        self.did.append("build")

    def deploy(self) -> None:
        self.did.append("deploy")
        self.folder.mkdir()

    def stop(self) -> None:
        written = (self.folder / "deployed.json").exists()
        self.did.append("stop behind the record" if written else "stop")


def test_what_was_deployed_is_recorded_behind_the_state_that_has_it(tmp_path: Path) -> None:
    stack = Recorded(tmp_path / "run", 4566, 8800)
    with kept.resumed(stack) as new:
        assert new
    assert stack.did == ["start", "build", "deploy", "stop"]
    assert (tmp_path / "run" / "deployed.json").exists()


def test_once_leaves_what_is_stored_to_others(tmp_path: Path) -> None:
    stored = tmp_path / ".local" / "run" / "deployed.json"
    stored.parent.mkdir(parents=True)
    stored.write_text("{}")
    with holding(tmp_path / ".local", URL), socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "local"],
            cwd=tmp_path,
            env={**os.environ, "ONCE": "1", "GATEWAY_PORT": port, "PYTHONPATH": PYTHONPATH},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr.count(f"port {port} is in use")) == (1, 1), done.stderr
    assert stored.read_text() == "{}"


def test_what_a_killed_start_leaves_ends_too() -> None:
    child = (
        "import time; from local.parent import stop_without_parent; stop_without_parent(0.1);"
        " print('up', flush=True); time.sleep(60)"
    )
    parent = (
        "import os, subprocess, sys; child = subprocess.Popen([sys.executable, '-c', sys.argv[1]],"
        " start_new_session=True, env={**os.environ, 'LOCAL_STACK_PARENT': str(os.getpid())});"
        " child.wait()"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", parent, child],
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "up\n"
    started.kill()
    started.wait()
    ended, _, _ = select.select([started.stdout], [], [], 30)
    assert ended  # the child, the last to have its output open, is gone
    assert started.stdout.read() == ""
    started.stdout.close()


def test_a_second_interrupt_does_not_break_off_the_stop() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before[signal.SIGHUP] = signal.getsignal(signal.SIGHUP)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted(signal.SIGINT, None)
        assert {signal.getsignal(number) for number in before} == {signal.SIG_IGN}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
