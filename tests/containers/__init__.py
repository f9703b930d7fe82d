"""The estate on a real Incus daemon, as an ordinary user: `python -m tests.daemon -- pytest …`."""
