"""Start the program of CMD, ENTRYPOINT and HEALTHCHECK without a shell around it.

The shell form runs `/bin/sh -c` (hadolint: DL3025, BuildKit: JSONArgsRecommended). Debian's and
Ubuntu's sh stays process 1 and keeps the stop signal from the program, which is killed ten seconds
later; that of Alpine and Red Hat gives way to it. The exec form starts the same words directly.

It is written only where the shell would do no more than split words: no variable, pattern,
operator, redirection or builtin. An ENTRYPOINT beside a CMD is left alone: in shell form it ignores
CMD, in exec form it would get it as arguments. A CMD that an ENTRYPOINT gets is left alone too,
unless that only starts what it is given. A HEALTHCHECK is never added.

A program of which it is not known how it takes signals as process 1 is a risky change: without a
handler neither a stop nor Ctrl-C ends it.
"""

from collections.abc import Iterator

from refactor import (
    Change,
    Claim,
    Effect,
    Example,
    Phase,
    Refusal,
    Safety,
    Snapshot,
    edits,
    entries,
    transform,
)

_PYTHON = "FROM python:3.12-slim\n"


@transform(
    phase=Phase.ENTRY,
    triggers=("cmd", "entrypoint", "healthcheck"),
    answers=["DL3025", "JSONArgsRecommended"],
    examples=[
        Example(f'{_PYTHON}CMD ["python", "app.py"]\nHEALTHCHECK NONE\n'),
        Example(f"{_PYTHON}CMD gunicorn --bind :$PORT app:app\n", refuses="E102",
                note="only a shell expands it; `exec` in front makes gunicorn process 1"),
        Example(f"{_PYTHON}CMD cd /app && python app.py\n", refuses="E102"),
        Example(f"{_PYTHON}CMD echo started\n", refuses="E102"),
        Example(f"{_PYTHON}CMD DEBUG=1 python app.py\n", refuses="E102"),
        Example(f'{_PYTHON}SHELL ["/bin/bash", "-lc"]\nCMD python app.py\n', refuses="E101"),
        Example(f"{_PYTHON}ENTRYPOINT python app.py\nCMD --help\n", refuses="E103",
                note="the shell form ignores CMD, the exec form would get it"),
        Example(f'{_PYTHON}ENTRYPOINT ["/start.sh"]\nCMD python app.py\n', refuses="E104"),
        Example("FROM redis:7\nCMD redis-server --save 60 1\n", refuses="E104"),
        Example(f"{_PYTHON}COPY run.sh /\nCMD /run.sh\n", files=("run.sh=python app.py\n",),
                refuses="E105", note="the kernel starts no script without `#!`"),
        Example(f"{_PYTHON}ONBUILD CMD python app.py\n", refuses="E106"),
        Example(f"{_PYTHON}CMD ./server\n", level=Safety.SUGGESTED),
        Example(f"{_PYTHON}CMD python app.py --name 'a b'\n",
                f'{_PYTHON}CMD ["python", "app.py", "--name", "a b"]\n'),
        Example("FROM alpine\nCMD exec nginx \\\n  # logs\n  -g 'daemon off;'\n",
                'FROM alpine\nCMD ["nginx", \\\n  # logs\n  "-g", "daemon off;"]\n'),
        Example(f'{_PYTHON}ENTRYPOINT ["tini", "--"]\nCMD python app.py\n',
                f'{_PYTHON}ENTRYPOINT ["tini", "--"]\nCMD ["python", "app.py"]\n'),
        Example(f"{_PYTHON}HEALTHCHECK --interval=5s CMD curl -f http://localhost/\n",
                f"{_PYTHON}HEALTHCHECK --interval=5s CMD "
                '["curl", "-f", "http://localhost/"]\n'),
        Example("FROM corp/java:17\nENTRYPOINT java -jar /app.jar\n",
                'FROM corp/java:17\nENTRYPOINT ["java", "-jar", "/app.jar"]\n'),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at what each stage starts."""
    for found in snapshot.fact(entries.entries):
        if isinstance(found, entries.Obstacle):
            yield Refusal(found.code, found.reason, found.unlock, found.at)
            continue
        edit = edits.quote_words(found.instruction, found.words, found.argv)
        footprint = (f"- {found.keyword} {found.text}", f"+ {found.json}")
        claim = Claim(Effect.ENTRY, frozenset(footprint))
        level = Safety.RISKY if found.is_risky else Safety.SUGGESTED
        yield Change(found.why, edit, (claim,), level, found.assumes)
