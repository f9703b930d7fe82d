"""Containers are made, changed and taken away here, through the Incus adapter."""
