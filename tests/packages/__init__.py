"""The packages, built for real, on a host without Python."""
