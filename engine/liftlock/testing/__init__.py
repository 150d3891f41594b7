"""Shipped test tools: contract suites, a clock to set, builders. Nothing shipped uses them."""
