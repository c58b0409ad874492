"""The commands that are no part of `dfr fix`, one module each."""
