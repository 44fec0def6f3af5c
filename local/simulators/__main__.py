"""`python -m local.simulators`: the vendors on loopback, until Ctrl-C or SIGTERM."""

import argparse
import errno
import logging
import signal
import sys
import threading

from local.parent import stop_without_parent
from local.simulators.callbacks import reach
from local.simulators.server import Settings, Simulators


def main() -> int:
    """Run the simulators; 1 when the port is in use."""
    parser = argparse.ArgumentParser(prog="python -m local.simulators", description=__doc__)
    parser.add_argument("--port", type=int, default=8800)
    parser.add_argument("--delay", type=float, default=1.0, help="seconds to the outcome")
    parser.add_argument("--aws-endpoint", default="http://127.0.0.1:4566")
    parser.add_argument(
        "--balance-interval", type=float, default=10.0, help="seconds between RajaSMS balances"
    )
    args = parser.parse_args()
    if not 0 <= args.port <= 65535:
        parser.error("--port must be from 0 to 65535")
    if args.delay < 0 or args.balance_interval < 0:
        parser.error("times must not be negative")
    if reach(args.aws_endpoint, "") is None:
        parser.error("--aws-endpoint must be on this machine")
    logging.basicConfig(level=logging.INFO, format="simulators: %(message)s")

    settings = Settings(args.port, args.delay, args.aws_endpoint, args.balance_interval)
    try:
        server = Simulators(settings)
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        reason = "is in use" if in_use else f"can't be opened ({error.strerror})"
        print(f"simulators: port {args.port} {reason}", file=sys.stderr)
        return 1

    stop_without_parent()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with server:
        print(f"simulators: {len(server.vendors)} vendors at {server.url}", flush=True)
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
