"""Mount a secret in place of passing it as a build argument.

The value of a build argument stays in the history of the image, in the build's cache and in its
attestations, for whoever has one of them. A secret mount gives it to one RUN and is gone with it.

**The build command changes**: the reason of each change says the new one. Off by default, for that.
What passes the argument in the repository changes with it: a compose service gets `secrets:` in its
`build`, and the file the secret (`environment: NAME`); the build-push action of GitHub gets `secrets: |`
with the expression that its `build-args` had; `--build-arg NAME=$NAME` of `docker build` in a workflow,
a script or a Makefile becomes `--secret id=NAME,env=NAME`. All of them, or nothing is changed: another
form of the value, a variable that a script sets for itself, sudo in front of docker, a comment at the
line, `.env` beside a compose file that has the value, another tool, or a document, are left to a person.

Each RUN behind the declaration that may read the argument gets the mount: those that name it, and those
that run a program with settings of its own, such as npm. The mount is `required`, so that a build that
forgets the secret fails, unless a script asks whether it has a value, or a build of the repository does
without. `ENV T=$T` goes with it in a
stage that is no image. Unlike an argument, a secret is not part of the cache's key: a new value builds
nothing anew. A value that stood in the Dockerfile is in the history of the repository, and has to be
revoked; the difference shows it once more.

Refusals: X701 the builder or its frontend may not know `env=`, X702 a container reads it (remove it,
give it when the container starts, revoke it), X703 its value is a placeholder, X704 something else than
a RUN reads it, or it is not declared on its own, X705 a command leaves it in the layer, X706 a stage
starts from this one, X707 nothing reads it, X708 another file passes it, and cannot be changed for
certain, X709 a stage of Windows, X710 a comment is about it.
"""

from collections.abc import Iterator

from refactor import (
    Change,
    Example,
    Phase,
    Refusal,
    Safety,
    Snapshot,
    edits,
    transform,
)
from refactor.structure import build_secrets

_MOUNT = "--mount=type=secret,id=NPM_TOKEN,env=NPM_TOKEN"
_PLAIN = "FROM node:22\nARG NPM_TOKEN\nRUN npm ci\n"
_MOUNTED = f"FROM node:22\nRUN {_MOUNT},required=true npm ci\n"
_SERVICE = "services:\n  a:\n    build:\n      context: .\n      args:\n        - {}\n"
_JOB = (
    "jobs:\n  a:\n    steps:\n      - uses: docker/build-push-action@v6\n        with:\n"
    "          context: .\n          {}: |\n            NPM_TOKEN=${{{{ secrets.NPM_TOKEN }}}}\n"
)
_BUILD = 'docker build --build-arg NPM_TOKEN="$NPM_TOKEN" .\n'


@transform(
    phase=Phase.ENTRY,
    triggers=("pass", "pword", "secret", "token", "key", "auth", "credential", "pat"),
    default=False,
    highest=Safety.RISKY,
    answers=["DL3064", "SecretsUsedInArgOrEnv"],
    examples=[
        Example("FROM node:22\nARG NODE_VERSION\nRUN npm ci\n"),
        Example(f"FROM node:22\nRUN {_MOUNT} npm ci\n"),
        Example("FROM node:22\nARG USE_TOKEN\nARG GPG_KEY=0D96DF4D4110E5C43FBFB17F2D347EA6AA65421D\nRUN a\n",
                note="a switch, and a public key"),
        Example("# syntax=docker/dockerfile:1.4\nFROM node:22\nARG NPM_TOKEN\nRUN npm ci\n", refuses="X701"),
        Example("FROM node:22\nARG NPM_TOKEN\nENV NPM_TOKEN=$NPM_TOKEN\nRUN npm ci\n", refuses="X702"),
        Example("FROM node:22\nENV API_KEY=0123456789abcdef\nCMD a\n", refuses="X702"),
        Example("FROM node:22\nARG NPM_TOKEN=changeme\nRUN npm ci\n", refuses="X703"),
        Example("FROM node:22\nARG NPM_TOKEN\nLABEL a=$NPM_TOKEN\nRUN npm ci\n", refuses="X704"),
        Example('FROM node:22\nARG NPM_TOKEN\nRUN echo "//r/:_authToken=$NPM_TOKEN" > ~/.npmrc && npm ci\n',
                refuses="X705"),
        Example("FROM node:22\nARG GIT_TOKEN\nRUN git clone https://$GIT_TOKEN@example.com/a\n", refuses="X705"),
        Example("FROM node:22 AS a\nARG NPM_TOKEN\nRUN npm ci\nFROM a\n", refuses="X706"),
        Example("FROM debian\nARG NPM_TOKEN\nRUN mkdir /a\n", refuses="X707"),
        Example(_PLAIN, refuses="X708", files=("compose.yaml=" + _SERVICE.format("NPM_TOKEN=abc"),)),
        Example(_PLAIN, refuses="X708", files=("README.md=    docker build --build-arg NPM_TOKEN=abc .\n",)),
        Example(_PLAIN, refuses="X708", files=("build.sh=NPM_TOKEN=$(cat a)\n" + _BUILD,)),
        Example("FROM mcr.microsoft.com/windows/servercore:ltsc2022\nARG NPM_TOKEN\nRUN npm ci\n",
                refuses="X709"),
        Example("FROM node:22\n# a\nARG NPM_TOKEN\n# b\nRUN npm ci\n", refuses="X710"),
        Example("FROM node:22\nARG NPM_TOKEN\nRUN apt-get update && apt-get install -y git\nRUN npm ci\n",
                f"FROM node:22\nRUN apt-get update && apt-get install -y git\nRUN {_MOUNT},required=true npm ci\n"),
        Example("FROM node:22\n\n# ours\nARG NPM_TOKEN\n\nRUN mkdir /a\nRUN npm ci\n",
                f"FROM node:22\n\nRUN mkdir /a\n# ours\nRUN {_MOUNT},required=true npm ci\n"),
        Example('FROM node:22\nARG NPM_TOKEN\nRUN if [ -n "$NPM_TOKEN" ]; then \\\n      npm whoami; \\\n    fi\n',
                f'FROM node:22\nRUN {_MOUNT} \\\n    if [ -n "$NPM_TOKEN" ]; then \\\n      npm whoami; \\\n    fi\n',
                note="a build without it is meant to work"),
        Example("FROM node:22 AS a\nARG NPM_TOKEN\nENV NPM_TOKEN=${NPM_TOKEN}\nRUN npm ci\n"
                "FROM node:22\nCOPY --from=a /a /a\n",
                f"FROM node:22 AS a\nRUN {_MOUNT},required=true npm ci\nFROM node:22\nCOPY --from=a /a /a\n"),
        Example(_PLAIN, _MOUNTED, files=("compose.yaml=" + _SERVICE.format("NPM_TOKEN"),),
                others=("compose.yaml=services:\n  a:\n    build:\n      context: .\n      secrets:\n"
                        "        - NPM_TOKEN\nsecrets:\n  NPM_TOKEN:\n    environment: NPM_TOKEN\n",)),
        Example(_PLAIN, _MOUNTED, files=(".github/workflows/a.yml=" + _JOB.format("build-args"),),
                others=(".github/workflows/a.yml=" + _JOB.format("secrets"),)),
        Example(_PLAIN, _MOUNTED, files=(f"build.sh={_BUILD}",),
                others=("build.sh=docker build --secret id=NPM_TOKEN,env=NPM_TOKEN .\n",)),
        Example(_PLAIN, level=Safety.SUGGESTED),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each argument that holds a secret; one at a time, as flags stand at one place."""
    changed = False
    for plan in build_secrets.plans(snapshot):
        if isinstance(plan, Refusal):
            yield plan
        elif not changed:
            changed = True
            yield _change(snapshot, plan)


def _change(snapshot: Snapshot, plan: build_secrets.Plan) -> Change:
    flag = f"--mount={build_secrets.mount(plan.name, plan.required)}"
    gone = (
        edit
        for place in plan.places
        for edit in edits.delete_lines(snapshot, place.gone, place.next)
    )
    added = (edits.add_flag(snapshot, run, flag) for place in plan.places for run in place.runs)
    revoke = "; revoke the value that stands here" if plan.literal else ""
    return Change(
        f"{plan.name} holds {plan.what}, and a build argument stays in the history of the image{revoke}; "
        f"build with: docker build --secret id={plan.name},env={plan.name} .",
        (*gone, *added),
        tuple(build_secrets.claims(plan)),
        Safety.RISKY,
        tuple(build_secrets.assumptions(snapshot, plan)),
        tuple(f"{said.path}:{said.line} passes {said.value}" for said in plan.passing.places),
        plan.passing.files,
    )
