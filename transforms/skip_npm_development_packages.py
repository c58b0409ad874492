"""Install no npm packages that are only for the development.

npm installs `devDependencies` too, unless it is told not to: test runners, compilers and type
definitions then stand in the image. In the last stage it is told `--omit=dev`.

It is asked for by name. Nothing changes unless the image starts plain `node`, nothing runs behind the
install, and no source, script, variable or start names one of them. npm must be of version 7 or later,
which keeps what a dependency asks for as its peer unless `legacy-peer-deps` is set; Yarn and pnpm are left to a person. Where the
stage builds with them, see `split-node-stages`.
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
    apt,
    edits,
    transform,
)
from refactor.structure import npm_development

_DECIDED = ("--omit", "--include", "--only", "--also", "--production", "--prod", "--dev", "-g",
            "--global", "--location")  # fmt: skip
_FROM = "FROM node:22-slim\nWORKDIR /app\nCOPY package*.json ./\n"
_PACKAGE = (
    'package.json={"scripts":{"start":"node a.js","dev":"nodemon a.js"},'
    '"dependencies":{"express":"5"},"devDependencies":{"nodemon":"3"}}'
)
_FILES = (_PACKAGE, "a.js=require('express')")
_END = 'COPY a.js ./\nCMD ["npm", "start"]\n'


@transform(
    phase=Phase.FLAGS,
    triggers=("npm",),
    highest=Safety.RISKY,
    default=False,
    examples=[
        Example(f"{_FROM}RUN npm ci --omit=dev\n{_END}", files=_FILES),
        Example(f"{_FROM}ENV NODE_ENV=production\nRUN npm ci\n{_END}", files=_FILES),
        Example(f"{_FROM}RUN npm ci\n{_END}FROM nginx\n", files=_FILES, note="it may build"),
        Example(f"{_FROM}RUN npm ci\n{_END}", refuses="S601", note="no build context is known"),
        Example(f"FROM node:14\nWORKDIR /app\nCOPY . .\nRUN npm ci\n{_END}", files=_FILES,
                refuses="S602", note="npm 6 forgets peers"),
        Example(f"{_FROM}RUN npm ci\n{_END}", files=(_PACKAGE, "a.js=require('nodemon')"),
                refuses="S603"),
        Example(f"{_FROM}COPY .npmrc ./\nRUN npm ci\n{_END}", refuses="S603",
                files=(*_FILES, ".npmrc=legacy-peer-deps=true"), note="npm leaves peers out then"),
        Example(f"{_FROM}RUN npm ci --legacy-peer-deps\n{_END}", files=_FILES, refuses="S603"),
        Example(f"{_FROM}ENV NPM_CONFIG_LEGACY_PEER_DEPS=true\nRUN npm ci\n{_END}", files=_FILES, refuses="S603"),
        Example(f"{_FROM}RUN npm ci\nRUN npm run build\n{_END}", files=_FILES, refuses="S604"),
        Example(f'{_FROM}RUN npm ci\nCOPY a.js ./\nCMD ["npm", "run", "dev"]\n', files=_FILES,
                refuses="S604"),
        Example(f"{_FROM}ARG NODE_ENV\nRUN npm ci\n{_END}", files=_FILES, refuses="S605"),
        Example(f"{_FROM}RUN npm ci\n{_END}", f"{_FROM}RUN npm ci --omit=dev\n{_END}", files=_FILES),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each install of a project in the last stage."""
    for run in snapshot.runs:
        if run.triggered or run.stage != len(snapshot.graph.stages) - 1:
            continue
        if npm_development.is_for_development(snapshot):
            continue
        for command, op in apt.operations(run):
            bare = op.manager == "npm" and op.action in ("install", "ci") and not op.arguments
            if not bare or op.has(*_DECIDED):
                continue
            found = npm_development.packages(snapshot, run, command.argv)
            if isinstance(found, npm_development.Needed):
                yield Refusal(*found, run.instruction.span.start)
            elif found:
                names = sorted(found)
                more = f" and {len(names) - 4} more" if len(names) > 4 else ""
                yield Change(
                    f"packages for the development are installed: {', '.join(names[:4])}{more}",
                    *edits.add_word(run, command, op.action_word, "--omit=dev", Effect.PACKAGES),
                    Safety.RISKY,
                    (npm_development.ASSUMED,),
                )
