"""The OCI specifications' nouns as values: pure, without I/O."""
