"""Labels that have a meaning of their own."""

AUTHORS = "org.opencontainers.image.authors"


def author(maintainer: str) -> str:
    """Return what a MAINTAINER line means: quotes around the whole are no part of a name."""
    if len(maintainer) > 1 and maintainer[0] == maintainer[-1] and maintainer[0] in "\"'":
        inner = maintainer[1:-1]
        return maintainer if maintainer[0] in inner else inner
    return maintainer
