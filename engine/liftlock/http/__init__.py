"""The front end: the OCI distribution API over an `Engine`; one module per noun."""
