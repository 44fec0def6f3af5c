"""Benchmarks with targets: `make bench` runs them all, `make bench-<name>` one of them."""

BENCHMARKS = ("cold", "cpu", "cost", "throughput", "scale", "campaign")
