"""Many repositories: a campaign is a folder, and everything known of it is in its ledger."""
