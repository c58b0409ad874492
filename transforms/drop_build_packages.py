"""Remove what is there to build in the RUN that built with it.

Compilers, headers and version control are of no use in an image that runs. Where a stage cannot
be split in two, the RUN that installs and uses them removes them again: in a later RUN the layer
would keep them. On Debian and Ubuntu the libraries that the headers are for, and a compiler's own,
are installed by name, so that they stay. On Alpine the packages become one virtual package, which
takes what only it needed along. RUNs that follow one another directly become one for that, if all
else stays the same; where something stands between the install and the build, the author must
join them.

Nothing changes if what runs may need what is removed: the rest of the build, the sources in the
build context, scripts, and how the image is started elsewhere are looked through for that.
"""

from collections.abc import Iterator

from refactor import Change, Claim, Effect, Example, Phase, Refusal, Safety, Snapshot, transform
from refactor.structure import purge_edits, purging

_PHP = "FROM php:8.3-apache-bookworm\n"
_APT = "RUN apt-get update && apt-get install -y --no-install-recommends"
_BUILD = "docker-php-ext-install gd"
_APK = "FROM node:20-alpine\nCOPY . .\nRUN apk add --no-cache"
_CMD = 'CMD ["node", "a.js"]\n'


@transform(
    phase=Phase.STAGES,
    highest=Safety.SUGGESTED,
    triggers=("apt", "apk"),
    examples=[
        Example(f"{_PHP}{_APT} unzip && {_BUILD}\n", files=(), note="nothing in it only builds"),
        Example(f"{_PHP}{_APT} libpng-dev && {_BUILD} && apt-get purge -y libpng-dev\n", files=()),
        Example(f"{_PHP}{_APT} git\nCOPY . .\n", files=(), note="nothing tells what git is for"),
        Example(f"{_PHP}{_APT} libpng-dev && {_BUILD}\n", refuses="S516"),
        Example(f"{_PHP}{_APT} libpng-dev\nCOPY a /\nRUN {_BUILD}\n", files=("a=",),
                refuses="S540", note="they are in different layers, and cannot be joined"),
        Example(f"{_PHP}{_APT} libfoo-dev && {_BUILD}\n", files=(), refuses="S501"),
        Example(f"{_PHP}{_APT} libpng-dev && {_BUILD}\nCOPY a /\nRUN make -C /\n", files=("a=",),
                refuses="S515"),
        Example("FROM debian:bookworm\nRUN apt-get update && apt-get install -y make && make\n",
                files=(), refuses="S512", note="an image without CMD may be a toolchain"),
        Example(f"{_PHP}{_APT} libpng-dev unzip && {_BUILD} && rm -rf /var/lib/apt/lists/*\n",
                f"{_PHP}{_APT} libpng-dev unzip libpng16-16 && {_BUILD} && apt-get purge -y "
                "--auto-remove libpng-dev && rm -rf /var/lib/apt/lists/*\n", files=()),
        Example(f"{_PHP}{_APT} libpng-dev\nRUN {_BUILD}\n",
                f"{_PHP}{_APT} libpng-dev libpng16-16 \\\n    && {_BUILD} \\\n"
                "    && apt-get purge -y --auto-remove libpng-dev\n", files=()),
        Example(f"{_APK} gcc musl-dev && npm ci --ignore-scripts && gcc b.c\n{_CMD}",
                f"{_APK} libgomp && apk add --no-cache --virtual .build-deps gcc musl-dev "
                "&& npm ci --ignore-scripts && gcc b.c && apk del .build-deps\n" + _CMD,
                files=("a.js=", "b.c=")),
        Example(f"{_APK} make tini && make\n{_CMD}",
                f"{_APK} tini && apk add --no-cache --virtual .build-deps make && make "
                f"&& apk del .build-deps\n{_CMD}", files=("a.js=",)),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each RUN of an image that installs what only builds."""
    for found in purging.plans(snapshot):
        if isinstance(found, purging.Obstacle):
            yield Refusal(found.code, found.reason, found.unlock, found.at.span.start)
            continue
        written = purge_edits.remove_again(snapshot, found)
        if written is None:
            yield Refusal("S502", "the RUN is no plain chain, or has comments among the packages",
                          "write it as a chain of &&, comments above it",
                          found.runs[0].instruction.span.start)  # fmt: skip
            continue
        added, runs = found.purge.added, len(found.runs)
        more = f" but {_listed(added)}" if added else ""
        more += f"; {runs} RUNs become one" if runs > 1 else ""
        yield Change(
            f"the image keeps nothing of {_listed(found.purge.gone)}{more}",
            written,
            (Claim(Effect.PACKAGES, found.footprint),),
            Safety.SUGGESTED,
            found.assumes,
        )


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown
