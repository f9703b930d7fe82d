"""Benchmarks: ratios measured side by side in one run, without a verdict."""
