"""What a scanner that the user asked for finds before and after a run."""
