"""What tests and benchmarks share: drivers, fakes, and a stack on a faked AWS."""
