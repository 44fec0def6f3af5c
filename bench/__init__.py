"""Benchmarks with targets: python -m bench [family ...]."""

import os

os.environ["BOTO_DISABLE_CRT"] = "true"  # the emulator brings awscrt here; the layer has none

FAMILIES = ("cold", "cpu", "cost", "throughput", "scale", "campaign", "express")
