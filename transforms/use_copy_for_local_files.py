"""Use COPY where ADD only copies.

ADD also fetches URLs and unpacks archives, so a reader has to know what the source is (hadolint:
DL3020). For a file or folder of the build context both do the same. With the build context at
hand the content of each file decides; without it the name does, and that is an assumption.
"""

from collections.abc import Iterator

from refactor import (
    Change,
    Claim,
    Effect,
    Example,
    Instruction,
    Phase,
    Refusal,
    Safety,
    Snapshot,
    edits,
    sources,
    transform,
)


@transform(
    phase=Phase.REPAIR,
    triggers=("add",),
    answers=["DL3020"],
    stability="stable",
    examples=[
        Example("FROM scratch\nCOPY a /a\n"),
        Example("FROM scratch\nADD https://example.com/a.jar /a.jar\n", refuses="C101"),
        Example("FROM scratch\nADD https://example.com/a.jar a.txt /b/\n", refuses="C101"),
        Example("FROM scratch\nADD rootfs.tar.gz /\n", refuses="C102"),
        Example("FROM scratch\nADD $FILE /a\n", refuses="C103"),
        Example("FROM scratch\nADD dist/* /a/\n", refuses="C103"),
        Example("FROM scratch\nADD --checksum=sha256:00 a /a\n", refuses="C104"),
        Example("FROM scratch\nADD rootfs /\n", refuses="C102", files=("rootfs=\x1f\x8b",),
                note="named like a folder, but gzip by its first bytes"),
        Example("FROM scratch\nADD a.txt /a\n", "FROM scratch\nCOPY a.txt /a\n",
                level=Safety.SAFE, files=("a.txt",)),
        Example("FROM scratch\nADD a.txt /a\n", level=Safety.SAFE),
        Example("FROM scratch\nADD . /app\n", "FROM scratch\nCOPY . /app\n", files=("a.txt",),
                level=Safety.SAFE),
        Example('FROM scratch\nadd ["a b.txt", "/a"]\n', 'FROM scratch\ncopy ["a b.txt", "/a"]\n'),
        Example("FROM scratch\nONBUILD ADD . /a\n", "FROM scratch\nONBUILD COPY . /a\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at the sources of each ADD."""
    for outer in snapshot.dockerfile.instructions:
        ins = outer.trigger or outer
        if ins.keyword == "ADD":
            yield _judge(snapshot, ins, outer.trigger is not None)


def _judge(snapshot: Snapshot, ins: Instruction, triggered: bool) -> Change | Refusal:
    at = ins.span.start
    names = sources.of(ins, snapshot.dockerfile.escape)
    if any(flag.name not in ("chown", "chmod", "link") for flag in ins.flags):
        return Refusal("C104", "a flag that COPY does not have", "drop the flag", at)
    if any(sources.is_remote(name) for name in names):
        return Refusal("C101", "a URL is fetched", "none needed: ADD is right here", at)
    kinds = [sources.kind(name, None if triggered else snapshot.context) for name in names]
    if sources.Kind.ARCHIVE in kinds:
        return Refusal("C102", "an archive is unpacked", "none needed: ADD is right here", at)
    if sources.Kind.UNKNOWN in kinds:
        return Refusal("C103", "a variable or pattern may name an archive", "name the files", at)
    guessed = [
        name for name, kind in zip(names, kinds, strict=True) if kind is sources.Kind.PLAIN_NAME
    ]
    text = snapshot.text[ins.keyword_span.start : ins.keyword_span.end]
    return Change(
        "ADD only copies here",
        (edits.replace_keyword(ins, "copy" if text.islower() else "COPY"),),
        _claims(snapshot, ins),
        assumes=tuple(f"`{name}` is no archive" for name in guessed),
    )


def _claims(snapshot: Snapshot, ins: Instruction) -> tuple[Claim, ...]:
    event = snapshot.fact(sources.events)[ins.span.start]
    after = "COPY" + event.text.removeprefix("ADD")
    return (Claim(Effect.FILES, frozenset({f"- {event.text}", f"+ {after}"})),)
