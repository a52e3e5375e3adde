"""Benchmarks. `python -m tests.load SCENARIO` starts its own servers, runs alone and prints one JSON object last."""
