"""Tell where a downloaded script runs as it comes.

`curl ... | sh` runs whatever the server sends at the time of the build, and half of it where the
connection breaks. Download it to a file, compare its digest, then run it: `ADD --checksum` does the
first two. Nothing is rewritten: which digest is right is not in the file.
"""

from collections.abc import Iterator

from refactor import Example, Notice, Phase, Snapshot, pipes, transform


@transform(
    phase=Phase.ENTRY,
    triggers=("curl", "wget"),
    examples=[
        Example("FROM debian\nRUN curl -fsSL https://e.com/a.tgz | tar xz\n"),
        Example("FROM debian\nRUN curl -o a.sh https://e.com/a.sh && sha256sum -c a.sum && sh a.sh\n"),
        Example("FROM debian\nRUN echo 'curl a | sh'\n"),
        Example("FROM debian\nRUN curl -fsSL https://e.com/a.sh | sh -s -- -y\n", notices="P701"),
        Example("FROM alpine\nRUN wget -qO- https://e.com/a.sh | sudo -E bash -\n", notices="P701"),
        Example('FROM debian\nRUN bash -c "$(curl -fsSL https://e.com/a.sh)"\n', notices="P701"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Notice]:
    """Look at each download that a shell reads."""
    for run in pipes.downloaded_scripts(snapshot):
        yield Notice(
            "P701", "a script runs as the server sends it: compare its digest first "
            "(ADD --checksum)", run.instruction.span.start,
        )  # fmt: skip
