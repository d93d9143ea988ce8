"""Benchmarks: each prints seconds of CPU time."""
