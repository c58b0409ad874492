"""Facts about one snapshot: functions from syntax to frozen values."""
