"""Write EXPOSE as `port/protocol`, in lower case and without a host's port.

An image cannot say which port of its host it gets: of `8080:80` BuildKit keeps 80, warns
(ExposeInvalidFormat, ExposeProtoCasing) and announces an error. Other engines may keep the whole,
so only the case of the protocol is changed without asking.
"""

import re
from collections.abc import Iterator

from refactor import Change, Example, Instruction, Phase, Safety, Snapshot, edits, ports, transform

_WORD = re.compile(r"[^\s$'\"\\`]+")


@transform(
    phase=Phase.REPAIR,
    triggers=("expose",),
    answers=["ExposeInvalidFormat", "ExposeProtoCasing"],
    stability="stable",
    examples=[
        Example("FROM a\nEXPOSE 80 443/tcp 8000-8010/udp\n"),
        Example("FROM a\nEXPOSE $PORT/TCP ${A}:80 \"80/TCP\" 99999/TCP http/TCP 80/HTTP x:80\n"),
        Example("FROM a\nEXPOSE 8080:80\n", level=Safety.SAFE),
        Example("FROM a\nEXPOSE 80/TCP 53/Udp\n", "FROM a\nEXPOSE 80/tcp 53/udp\n",
                level=Safety.SAFE),
        Example("FROM a\nEXPOSE 8080:80 \\\n  127.0.0.1:53:53/UDP\n",
                "FROM a\nEXPOSE 80 \\\n  53/udp\n"),
        Example("FROM a\nEXPOSE 9000-9002:8000-8002\n", "FROM a\nEXPOSE 8000-8002\n"),
        Example("FROM a\nEXPOSE [::1]::80 9000-9002:80-81\n",
                "FROM a\nEXPOSE 80 9000-9002:80-81\n"),
        Example("FROM a\nONBUILD EXPOSE 80/TCP\n", "FROM a\nONBUILD EXPOSE 80/tcp\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change]:
    """Look at each word of each EXPOSE."""
    for outer in snapshot.dockerfile.instructions:
        ins = outer.trigger or outer
        if ins.keyword == "EXPOSE":
            yield from _words(ins)


def _words(ins: Instruction) -> Iterator[Change]:
    for match in re.finditer(r"\S+", ins.args):
        word = match[0]
        found = ports.read(word) if _WORD.fullmatch(word) else None
        wanted = ports.container_part(word).lower()
        start, end = (ins.args_start + at for at in match.span())
        if found is None or word == wanted or not ins.logical.contiguous(start, end):
            continue
        edit = edits.replace_logical(ins, start, end, wanted)
        if found.mapped:
            assumed = (f"the engine takes `{word}` for `{wanted}`, as BuildKit does",)
            yield Change("an image has no say in its host's ports", (edit,), assumes=assumed)
        else:
            yield Change("the protocol in lower case", (edit,))
