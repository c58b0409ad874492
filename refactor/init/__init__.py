"""What a repository needs so that its Dockerfiles are checked: the pieces, and where they go."""
