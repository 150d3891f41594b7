"""Our own API, /api/v1: one table of endpoints, from which it is both answered and described."""
