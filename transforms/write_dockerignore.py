"""Leave out of the build context what tools leave in it.

`COPY . .` takes along what tools keep beside the sources: the history of the repository, virtual
environments and packages of one machine, caches, secrets. It grows the image, empties the build's
cache without need, and may replace what the build has just installed. Rules in .dockerignore keep
it out. They are added at the end of the file in force, or in a new one; no rule is changed.

A rule is added only for what is there, or is bound to be (`node_modules` beside `package.json`),
where a COPY or ADD takes a folder that it is in. None is added for what a COPY, a mount, a RUN, or
a source names or reads: `.git` where the version comes from git, `.env` where a library loads it,
`target` where no RUN makes it. All Dockerfiles of the context are asked. The Dockerfile itself is
never left out: docker-java and ACR Tasks would not find it.

Refusals: I801 the context is not known, I802 its files or rules cannot be listed, I803 a source is
missing, I804 a source is only known to the build, I805 a copy names it, I806 a rule takes it back
in, I807 git's data is read, I808 .env is read, I809 a source names it, I810 no RUN makes it,
I811 git does not ignore it.
"""

from collections.abc import Iterator

from refactor import Change, Claim, Effect, Example, Phase, Refusal, Safety, Snapshot, transform
from refactor.structure import leftovers

MARKER = leftovers.MARKER


@transform(
    phase=Phase.CONTEXT,
    triggers=("copy", "add"),
    highest=Safety.SUGGESTED,
    examples=[
        Example("FROM python:3.12\nCOPY requirements.txt .\n", files=("requirements.txt", ".env")),
        Example("FROM scratch\nCOPY . /\n", refuses="I801"),
        Example("FROM scratch\nCOPY . /\nCOPY a /\n", refuses="I803", files=("b", ".idea/a")),
        Example("FROM scratch\nARG A\nCOPY . /\nCOPY $A /\n", refuses="I804",
                files=("b", ".idea/a")),
        Example("FROM scratch\nCOPY . /\nCOPY .env /x\n", refuses="I805", files=(".env",)),
        Example("FROM scratch\nCOPY . /\n", refuses="I806",
                files=(".idea/a", "a", ".dockerignore=*\n!.idea\n!a\n")),
        Example("FROM golang:1.23\nCOPY . /a\nRUN make -C /a\n", refuses="I807",
                files=(".git/HEAD", "Makefile=V := $(shell git describe --tags)\n")),
        Example("FROM python:3.12\nCOPY . /a\nRUN pip install /a\n", refuses="I807",
                files=(".git/HEAD", 'pyproject.toml=requires = ["setuptools_scm"]\n')),
        Example("FROM node:22\nCOPY . /a\n", refuses="I808",
                files=(".env", 'server.js=require("dotenv").config()\n')),
        Example("FROM node:22\nCOPY . /a\n", refuses="I810",
                files=("package.json", "node_modules/a", ".gitignore=node_modules\n"),
                note="no RUN installs them: the folder that is copied is the one in use"),
        Example("FROM node:22\nCOPY . /a\nRUN npm ci\n",
                files=("package.json", "package-lock.json", ".git/HEAD", ".env"),
                others=(f".dockerignore={MARKER}\n.git\n**/.env\nnode_modules\n",),
                level=Safety.SUGGESTED),
        Example("FROM python:3.12\nCOPY app /app\n",
                files=("app/main.py", "app/.env", ".idea/a", ".dockerignore=*.pyc"),
                others=(f".dockerignore=*.pyc\n\n{MARKER}\n**/.env\n**/__pycache__\n",),
                level=Safety.SUGGESTED,
                note="what no copy takes needs no rule"),
        Example("FROM node:22\nCOPY . /a\nRUN npm ci\n", level=Safety.SAFE,
                files=("package.json", ".git/HEAD")),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look for what tools leave in the build context."""
    plan = leftovers.plan(snapshot)
    if plan is None:
        return
    for kept in plan.kept:
        yield Refusal(kept.code, kept.reason, kept.unlock, plan.at)
    rules = plan.rules
    if rules:
        claimed = frozenset({"context", f"+ {plan.source}", *(f"- {rule}" for rule in rules)})
        yield Change(
            f"COPY takes what tools leave in the build context: {_listed(rules)}",
            (),
            (Claim(Effect.FILES, claimed),),
            Safety.SUGGESTED,
            tuple(_assumptions(plan)),
            tuple(f"{path} is {kind.row.why}" for kind in plan.found for path in kind.there[:3]),
            (plan.appended,),
        )


def _assumptions(plan: leftovers.Plan) -> Iterator[str]:
    unread = [rule for found in plan.found if not found.made for rule in found.patterns]
    if unread:
        yield f"no program in the image reads {_listed(unread)}"
    makers = dict.fromkeys(kind.made for kind in plan.found if kind.made)
    for maker in makers:
        made = [rule for kind in plan.found if kind.made == maker for rule in kind.patterns]
        yield f"`{maker}` makes all of {_listed(made)} that is needed"
    yield from plan.assumes


def _listed(rules: list[str]) -> str:
    return ", ".join(f"`{rule}`" for rule in rules)
