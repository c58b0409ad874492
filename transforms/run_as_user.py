"""Run as a user other than root, where that works.

A process that needs no root in its container should not have it: what breaks out of it, or writes
where it should not, is root otherwise. The user is the one that the base image ships for it, or
that the Dockerfile creates and never uses, or a new one with a number that orchestrators can check.
It owns the folders that the application writes to, and nothing else: sources stay root's.

What is written, listened on and started is read off the sources in the build context, entry
scripts, and how the image is used elsewhere. Where that shows a need of root, nothing changes.
What it cannot show is listed as an assumption.
"""

from collections.abc import Iterator

from refactor import Change, Claim, Effect, Example, Phase, Refusal, Safety, Snapshot, transform
from refactor.structure import non_root, user_edits

_PYTHON = "FROM python:3.12-slim-bookworm\nWORKDIR /app\nCOPY . .\n"
_NODE = "FROM node:20-slim\nWORKDIR /app\nCOPY . .\n"
_CMD = 'CMD ["python", "app.py"]\n'
_CREATED = (
    "RUN groupadd --gid 10001 app \\\n"
    "    && useradd --no-log-init --uid 10001 --gid app --create-home --shell /usr/sbin/nologin app"
)


@transform(
    phase=Phase.USER,
    triggers=("from",),
    highest=Safety.SUGGESTED,
    answers=("DL3002",),
    examples=[
        Example(f"{_PYTHON}USER 1001\n{_CMD}", files=("app.py=",)),
        Example(f"{_PYTHON}{_CMD}", refuses="U308", note="no build context is known"),
        Example("FROM postgres:16\nCOPY init.sql /docker-entrypoint-initdb.d/\n",
                files=("init.sql=",), refuses="U301"),
        Example(f"{_PYTHON}EXPOSE 80\n{_CMD}", files=("app.py=",), refuses="U304"),
        Example(f'{_PYTHON}CMD ["cron", "-f"]\n', files=("app.py=",), refuses="U303"),
        Example(f"{_PYTHON}{_CMD}", files=("app.py=open('/etc/x', 'w')\n",), refuses="U305"),
        Example(f'{_NODE}CMD ["node", "server.js"]\n',
                f'{_NODE}USER 1000:1000\nCMD ["node", "server.js"]\n', files=("server.js=",)),
        Example(f"{_PYTHON}{_CMD}",
                f"FROM python:3.12-slim-bookworm\nWORKDIR /app\n{_CREATED}\nCOPY . .\n"
                f"USER 10001:10001\n{_CMD}", files=("app.py=",)),
        Example(f"{_PYTHON}{_CMD}",
                f"{_PYTHON}{_CREATED} \\\n    && mkdir -p /app/out \\\n"
                f"    && chown -R 10001:10001 /app/out\nUSER 10001:10001\n{_CMD}",
                files=("app.py=open('out/a.txt', 'w')\n",), note="only what is written is its own"),
        Example(f"FROM python:3.12-slim\nRUN useradd -u 1001 web\nCOPY app.py .\n{_CMD}",
                f"FROM python:3.12-slim\nRUN useradd -u 1001 web\nCOPY app.py .\nUSER 1001\n{_CMD}",
                files=("app.py=",)),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each stage that is run."""
    for plan in non_root.plans(snapshot):
        if isinstance(plan, non_root.Obstacle):
            yield Refusal(plan.code, plan.reason, plan.unlock, plan.at.span.start)
            continue
        commands = (f"+ {command}" for command in plan.commands)
        claim = frozenset({f"stage {plan.stage.label}", f"user {plan.user}", *commands})
        name = plan.user.partition(":")[0]
        own = f", and user {name} may write to {', '.join(plan.folders)}" if plan.folders else ""
        yield Change(
            f"it need not run as root: {plan.why}{own}",
            user_edits.set_user(snapshot, plan),
            (Claim(Effect.USER, claim),),
            Safety.RISKY if plan.unclear else Safety.SUGGESTED,
            plan.assumes,
        )
