"""Proof by real builds: an image before and after, and what differs."""
