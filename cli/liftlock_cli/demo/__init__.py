"""The demo: real images of files from this machine, pushed, promoted, pulled and compared."""
