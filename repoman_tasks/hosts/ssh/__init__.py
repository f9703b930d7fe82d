"""Another host over SSH: the verbs of a host, done by POSIX shells on the other side."""
