"""Messages a second of a dispatch worker on one CPU, against vendors that answer in 50 ms; and of
Kannel against the same vendor."""

from bench.report import Result


def main() -> Result:
    """Measures everything, in about a minute and a half."""
    from bench.throughput.measure import measure  # the servers need none of it

    return measure()
