"""Ports and processes of the local stack."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import urllib3


class StackError(Exception):
    """A reason why the local stack can't run, with what to do."""


def check_port(port: int, variable: str) -> None:
    """Raise StackError for a port that is in use; `variable` sets another."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise StackError(f"port {port} is in use: free it, or set {variable}") from None


def wait_for(url: str, seconds: float, name: str, folder: Path) -> None:
    """Wait until a server answers. Raise StackError when it does not, with its log in `folder`."""
    until = time.monotonic() + seconds
    pool = urllib3.PoolManager(retries=False, timeout=2.0)
    while time.monotonic() < until:
        try:
            if pool.request("GET", url).status < 500:
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(0.2)
    raise StackError(f"the {name} did not answer in {seconds:.0f} s; see {folder / name}.log")


def stop_process(process: subprocess.Popen[bytes], patience: float) -> None:
    """Stop a process and its children, gently for `patience` seconds."""
    for stop_signal, timeout in ((signal.SIGTERM, patience), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, stop_signal)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            continue
        break
    try:
        os.killpg(process.pid, signal.SIGKILL)  # the process's children
    except ProcessLookupError:
        return
