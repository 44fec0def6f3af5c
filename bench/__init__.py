"""Benchmarks with targets: python -m bench [family ...]."""

FAMILIES = ("cold", "cpu", "cost", "throughput", "scale", "campaign")
