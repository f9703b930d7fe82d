"""The packages, built for real, and what they are on a host that has no Python."""
