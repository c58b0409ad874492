"""What a repository says of its images outside their Dockerfiles."""
