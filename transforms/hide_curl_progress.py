"""Let curl report errors only, not its progress.

Where its output goes to a file or a pipe, curl draws a meter, which a build log keeps line by
line. `-sS` leaves out the meter and warnings, and still shows errors. The file is the same. A curl
with `-q` stays as it is: that holds only as the first option.
"""

import re
from collections.abc import Iterator

from refactor import (
    Change,
    Effect,
    Example,
    Phase,
    Refusal,
    Safety,
    Snapshot,
    caches,
    edits,
    packages,
    transform,
)

_FLAG = "-sS"
_FIRST = ("-q", "--disable")
_QUIET = re.compile(
    r"--(?:s(?:il|how-e|td)|no-pro|prog|verb|trace|help|vers|manual|conf)|-[a-zA-Z0-9]*[s#vVhMK]"
)


@transform(
    phase=Phase.FLAGS,
    triggers=("curl",),
    examples=[
        Example("FROM debian\nRUN curl -fsSL https://e.com/a -o a && curl -s https://e.com/b\n"),
        Example("FROM debian\nRUN curl --silent --show-error https://e.com/a -o a\n"),
        Example("FROM debian\nRUN curl -q -o a https://e.com/a\n"),
        Example("FROM debian\nRUN curl -# -o a https://e.com/a\n", note="the bar was asked for"),
        Example("FROM debian\nRUN apt-get install -y curl && curl --version\n"),
        Example("FROM debian\nRUN curl -o a https://e.com/a 2>&1 | tee log\n", refuses="C101"),
        Example("FROM debian\nRUN curl -fL https://e.com/a -o a\n",
                "FROM debian\nRUN curl -sS -fL https://e.com/a -o a\n", level=Safety.SAFE),
        Example("FROM alpine\nRUN set -e; sudo curl \\\n  -O https://e.com/a.tgz\n",
                "FROM alpine\nRUN set -e; sudo curl -sS \\\n  -O https://e.com/a.tgz\n", level=Safety.SAFE),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each curl that would draw a meter."""
    for run in snapshot.runs:
        if not caches.is_followed(snapshot, run):
            continue
        for command in run.script.commands() if run.script else ():
            words, _ = packages.unwrap(command.words)
            if len(words) < 2 or words[0].literal != "curl":
                continue
            if words[1].text.startswith(_FIRST) or any(_QUIET.match(w.text) for w in words[1:]):
                continue
            if any("2>" in one.text or "&>" in one.text for one in command.redirects):
                yield Refusal("C101", "something reads what curl reports", "none needed",
                              run.instruction.span.start)  # fmt: skip
                continue
            edit, claim = edits.add_word(run, command, words[0], _FLAG, Effect.COMMANDS)
            yield Change("curl's progress fills the build log", edit, claim)
