"""Immutable bytes, content-addressed: a contract and its implementations."""
