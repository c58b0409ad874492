"""Let useradd write no login log for a user with a large number.

useradd makes room for the user in /var/log/lastlog and faillog, files with a slot for every number
below: sparse on a disk, and up to gigabytes in a layer (hadolint: DL3046; moby #5419). `-l` leaves
them alone. Nothing in an image reads them.
"""

from collections.abc import Iterator

from refactor import (
    Change,
    Effect,
    Example,
    Phase,
    Refusal,
    Safety,
    Snapshot,
    edits,
    packages,
    transform,
)

_LARGE = 100_000  # hadolint's bound: six digits


@transform(
    phase=Phase.FLAGS,
    triggers=("useradd",),
    answers=["DL3046"],
    examples=[
        Example("FROM debian\nRUN useradd -u 1000 app\n"),
        Example("FROM debian\nRUN useradd -l -u 123456 app\n"),
        Example("FROM debian\nRUN useradd --no-log-init --uid=123456 app\n"),
        Example("FROM debian\nRUN <<EOF\nuseradd -u 123456 app\nEOF\n", refuses="U401"),
        Example("FROM debian\nRUN useradd -u 123456 app && sudo useradd --uid=1234567 -m \\\n  b\n",
                "FROM debian\nRUN useradd -l -u 123456 app && sudo useradd -l --uid=1234567 -m \\\n  b\n",
                level=Safety.SAFE),
        Example("FROM debian\nRUN useradd -u $NUMBER app\n",
                "FROM debian\nRUN useradd -l -u $NUMBER app\n", level=Safety.SAFE,
                note="it may be large"),
        Example("FROM debian\nONBUILD RUN useradd -mu 123456 app\n",
                "FROM debian\nONBUILD RUN useradd -l -mu 123456 app\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each useradd with a large number."""
    for run in snapshot.runs:
        if run.script is None:
            if "useradd" in run.whole:
                yield Refusal("U401", f"not read: {run.opaque}", "write it in shell form",
                              run.instruction.span.start)  # fmt: skip
            continue
        for command in run.script.commands():
            words, _ = packages.unwrap(command.words)
            if words and words[0].literal == "useradd" and _is_large([w.text for w in words[1:]]):
                edit, claim = edits.add_word(run, command, words[0], "-l", Effect.COMMANDS)
                yield Change("a large number makes the login logs huge", edit, claim)


def _is_large(words: list[str]) -> bool:
    """Whether a number of a user is given that is large, and the logs are not off already."""
    if any(w == "--no-log-init" or (w[:1] == "-" and w[1:2] != "-" and "l" in w) for w in words):
        return False
    for index, word in enumerate(words):
        value = ""
        if word.startswith("--uid="):
            value = word.partition("=")[2]
        elif word == "--uid" or (word[:1] == "-" and word[1:2] != "-" and word.endswith("u")):
            value = "".join(words[index + 1 : index + 2])
        elif word.startswith("-u"):
            value = word[2:]
        if value.startswith("$") or (value.isdecimal() and int(value) >= _LARGE):
            return True
    return False
