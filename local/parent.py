"""No process of a local stack outlives the one that started it, however that one ends."""

import os
import signal
import threading
import time

VARIABLE = "LOCAL_STACK_PARENT"  # the process id of the one that started this one


def stop_without_parent(seconds: float = 1.0) -> None:
    """End this process and its children, in order, within `seconds` of its parent's end.

    Do nothing in a process that somebody started by hand.
    """
    parent = os.environ.get(VARIABLE)
    if parent:
        threading.Thread(target=_watch, args=(int(parent), seconds), daemon=True).start()


def _watch(parent: int, seconds: float) -> None:
    while os.getppid() == parent:
        time.sleep(seconds)
    os.killpg(os.getpgrp(), signal.SIGTERM)
