"""Deciding and parsing, without anything outside."""
