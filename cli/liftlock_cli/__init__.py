"""The `liftlock` command."""
