"""Remove an archive in the RUN that downloaded and unpacked it.

What is unpacked is there twice; removed in a later RUN, the archive would still be in the layer.
Only where one RUN downloads a file of a known name and unpacks it, and nothing behind that names
the file. That nothing looks for it by other means is an assumption.
"""

from collections.abc import Iterator

from refactor import (
    Change,
    Claim,
    Effect,
    Example,
    Phase,
    Refusal,
    Run,
    Safety,
    Snapshot,
    apt,
    archives,
    edits,
    joining,
    packages,
    transform,
)

_GET = "curl -fsSLO https://e.com/a.tgz && tar xzf a.tgz"


@transform(
    phase=Phase.CLEANUP,
    triggers=("tar", "unzip"),
    examples=[
        Example(f"FROM debian\nRUN {_GET} && rm a.tgz\n"),
        Example("FROM debian\nRUN curl -fsSL https://e.com/a.tgz | tar xz\n"),
        Example("FROM debian\nCOPY a.tgz .\nRUN tar xzf a.tgz\n", note="it is in a layer already"),
        Example("FROM debian\nRUN wget https://e.com/a.tgz && tar tzf a.tgz\n"),
        Example(f"FROM debian\nRUN {_GET}\nRUN sha256sum a.tgz\n", refuses="A101"),
        Example(f"FROM debian\nRUN {_GET} && cp *.tgz /srv\n", refuses="A101"),
        Example("FROM debian\nRUN curl -O https://e.com/a.tgz && tar xf a.tgz && cd a && make\n",
                refuses="A102"),
        Example("FROM debian\nRUN curl -O https://e.com/a.tgz && tar xf a.tgz || exit 1\n"),
        Example(f"FROM debian\nRUN {_GET}\n", level=Safety.SAFE),
        Example(f"FROM debian\nRUN {_GET}\n", f"FROM debian\nRUN {_GET} && rm -f a.tgz\n",
                level=Safety.SUGGESTED),
        Example("FROM debian\nRUN wget -O /tmp/a.zip https://e.com/x && \\\n  unzip -q /tmp/a.zip && cd a && make\n",
                "FROM debian\nRUN wget -O /tmp/a.zip https://e.com/x && \\\n  unzip -q /tmp/a.zip && cd a && make && \\\n"
                "  rm -f /tmp/a.zip\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each archive that a RUN both downloads and unpacks."""
    for run in snapshot.runs:
        always = apt.unconditional(run)
        fetched: set[str] = set()
        for command in run.script.commands() if run.script and not run.triggered else ():
            if command.start not in always or command.redirects:
                continue
            path = archives.unpacked(command.argv)
            if path and path in fetched:
                if found := _judge(snapshot, run, command, path):
                    yield found
                    break  # one at a time: the next is appended behind it
            elif path := archives.downloaded(command.argv):
                fetched.add(path)


def _judge(
    snapshot: Snapshot, run: Run, command: packages.Command, path: str
) -> Change | Refusal | None:
    at = run.instruction.span.start
    assert run.script is not None
    name = path.rpartition("/")[2]
    later = [c for c in run.script.commands() if c.start > command.start]
    if any(c.argv[:1] == ("rm",) and any(name in word for word in c.argv) for c in later):
        return None
    here = run.script.text[command.end :]
    rest = snapshot.text[run.instruction.span.end :]
    if name in here or name in rest or "*" in here or f"*.{name.rpartition('.')[2]}" in rest:
        return Refusal("A101", f"`{name}` may be needed later", "remove it by hand", at)
    if not path.startswith("/") and any(c.name in ("cd", "pushd") for c in run.script.commands()):
        return Refusal("A102", "the directory changes", "name the archive by its full path", at)
    end = joining.end(run)
    if end is None:
        return Refusal("P206", "the RUN may end early", "write it as a chain of &&", at)
    remove = f"rm -f {path}"
    return Change(
        f"`{name}` stays in the layer beside what was in it",
        edits.append_command(snapshot, run, end, remove),
        (Claim(Effect.FILES, frozenset({f"+ {remove}"})),),
        assumes=(f"nothing needs `{path}` later",),
    )
