"""The `emotts` command."""
