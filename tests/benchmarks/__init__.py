"""Benchmarks: ratios side by side from one run, never a verdict."""
