"""Mount a file with a secret in the RUNs that read it, in place of copying it.

A `.npmrc` with a token, a `pip.conf` with a password or a `.netrc` that a COPY takes is in a layer, for
whoever has the image or the cache; a later `rm` does not change that. `RUN --mount=type=secret` gives the
file to one RUN, at the place where the COPY put it. The COPY goes, and the `rm`; where a COPY of a folder
brings the file too, `.dockerignore` leaves it out in the same change.

**The build command changes**: the reason of each change says the new one. Off by default, for that. The
mount is `required`: a build that forgets the secret fails. A RUN that does not run as root gets
`mode=0444`, for only root could read the mount else. BuildKit of before 2021 leaves an empty file where
the mount was (moby/buildkit 1739). Unlike a file that is copied, a secret is not part of the cache's key: a new one builds nothing
anew. What is in the history of the repository, and in layers that were built, has to be revoked.

All instructions behind the COPY are looked at, in each stage that gets the file: a command has to be a
program that is known to read it (npm, yarn and pnpm `.npmrc`; pip `pip.conf`; pip, uv, poetry and curl
`.netrc`), or known not to. A stage that is an image keeps its file, unless a RUN removes it, or what its
containers start is no such program. A file that names variables (`${NPM_TOKEN}`) holds no secret, and one
that is not beside the Dockerfile is not known to.

Refusals: X741 the builder may not know secret mounts, X742 it is not clear what is copied where, X743 a
container or another stage may read it, X744 a command may read it of which that is not known, X745 no
program is known to look for it there, X746 .dockerignore cannot leave it out, X747 a command may change
it, X748 a comment is about it, X749 another file builds the image, and would not pass the secret.
"""

from collections.abc import Iterator

from refactor import Change, Example, Phase, Refusal, Safety, Snapshot, edits, transform
from refactor.structure import mountable_files

_TOKEN = ".npmrc=//r.example.com/:_authToken=0123456789abcdef"
_FILES = ("package.json", "a.js", _TOKEN)
_MOUNT = "--mount=type=secret,id=npmrc,target=/a/.npmrc,required=true"
_START = 'CMD ["node", "a.js"]\n'
_TOP = "FROM node:22\nWORKDIR /a\n"


@transform(
    phase=Phase.ENTRY,
    triggers=("copy",),
    default=False,
    highest=Safety.RISKY,
    examples=[
        Example(f"{_TOP}COPY .npmrc ./\nRUN npm ci\n", files=("a.js", ".npmrc=//r/:_authToken=${T}\n")),
        Example(f"{_TOP}COPY package.json ./\nRUN npm ci\n", files=_FILES),
        Example(f"{_TOP}COPY .npmrc ./\nRUN npm ci\n"),
        Example(f"# syntax=docker/dockerfile:1.1\n{_TOP}COPY .npmrc ./\nRUN npm ci\n", files=_FILES,
                refuses="X741"),
        Example(f"{_TOP}COPY --chown=node .npmrc ./\nRUN npm ci\n{_START}", files=_FILES, refuses="X742"),
        Example(f"{_TOP}COPY .npmrc ./\nRUN npm ci\nCMD npm start\n", files=_FILES, refuses="X743"),
        Example(f"{_TOP}COPY .npmrc ./\nRUN npm ci && make\n{_START}", files=_FILES, refuses="X744"),
        Example(f"{_TOP}COPY .npmrc /b/\nRUN npm ci\n{_START}", files=_FILES, refuses="X745"),
        Example(f"{_TOP}COPY . ./\nRUN npm ci\n{_START}", files=(*_FILES, "b/Dockerfile=FROM a\n"),
                refuses="X746"),
        Example(f"{_TOP}COPY .npmrc ./\nRUN npm ci && chown -R node /a\n{_START}", files=_FILES,
                refuses="X747"),
        Example(f"{_TOP}# ours\nCOPY .npmrc ./\nRUN npm ci\n{_START}", files=_FILES, refuses="X748"),
        Example(f"{_TOP}COPY .npmrc ./\nRUN npm ci\n{_START}", refuses="X749",
                files=(*_FILES, "compose.yaml=services:\n  a:\n    build: .\n")),
        Example(f"{_TOP}COPY package.json .npmrc ./\nRUN npm ci && rm -f .npmrc\nCMD npm start\n",
                f"{_TOP}COPY package.json ./\nRUN {_MOUNT} npm ci\nCMD npm start\n", files=_FILES),
        Example(f"{_TOP}COPY .npmrc ./\nCOPY . .\nUSER node\nRUN npm ci\n{_START}",
                f"{_TOP}COPY . .\nUSER node\nRUN {_MOUNT.replace(',req', ',mode=0444,req')} npm ci\n{_START}",
                files=_FILES, others=(".dockerignore=.npmrc\n",)),
        Example("FROM python:3.12\nCOPY pip.conf /etc/pip.conf\nRUN pip install a\nRUN rm /etc/pip.conf\n",
                "FROM python:3.12\nRUN --mount=type=secret,id=pipconf,target=/etc/pip.conf,required=true "
                "pip install a\n",
                files=("pip.conf=[global]\nindex-url = https://bob:Tr0ub4dor@example.com/simple\n",)),
        Example(f"{_TOP}COPY .npmrc ./\nRUN npm ci\n{_START}", files=_FILES, level=Safety.SUGGESTED),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each file with a secret that a copy takes; one at a time."""
    changed = False
    for plan in mountable_files.plans(snapshot):
        if isinstance(plan, Refusal):
            yield plan
        elif not changed:
            changed = True
            yield _change(snapshot, plan)


def _change(snapshot: Snapshot, plan: mountable_files.Plan) -> Change:
    made = [edits.replace_logical(ins, start, end, "") for ins, start, end in plan.words]
    for ins in plan.whole:
        made += edits.delete_instruction(snapshot, ins)
    for run, flag in plan.runs:
        made.append(edits.add_flag(snapshot, run, f"--mount={flag}"))
    for run in plan.removed:
        made += edits.delete_last_command(snapshot, run)
    return Change(
        f"{plan.path} holds {plan.what}, and a COPY leaves it in a layer: revoke what was built or "
        f"committed, and build with: docker build --secret id={plan.id},src={plan.path} .",
        tuple(made),
        plan.claims,
        Safety.RISKY,
        plan.assumes,
        (),
        plan.files,
    )
