"""The servers that hold repositories and take requests: GitHub, GitLab, Forgejo and Gitea."""
