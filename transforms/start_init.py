"""Start an init as process 1 of a compose service.

A program that is process 1 has to reap the children of others, and does not end at SIGTERM, or at
what STOPSIGNAL names instead, unless it handles it: `docker stop` then waits ten seconds and kills
it. `init: true` lets Docker's own init be process 1, which passes signals on. An image that starts
an init itself, or s6, is left alone. Kubernetes has no such setting.

Refusals: Y101 the file is not clear enough to be edited, Y102 the service is given more than
others, Y104 the stage, or what it starts, is not known, Y105 it starts a whole system.
"""

from collections.abc import Iterator

from refactor import Change, Example, Phase, Refusal, Safety, Snapshot, transform
from refactor.structure import container_settings

_APP = 'FROM python:3.12-slim\nCOPY app.py /\nUSER 1001\nEXPOSE 8000\nCMD ["python", "/app.py"]\n'
_WEB = "services:\n  web:\n    build: .\n"


@transform(
    phase=Phase.ENTRY,
    triggers=("from",),
    default=False,
    highest=Safety.SUGGESTED,
    examples=[
        Example(_APP.replace('["python"', '["tini", "python"'),
                files=("app.py=", f"compose.yaml={_WEB}")),
        Example(_APP, files=("app.py=", f"compose.yaml={_WEB}    init: true\n")),
        Example(_APP, refuses="Y102",
                files=("app.py=", f"compose.yaml={_WEB}    extends: other\n")),
        Example("FROM python:3.12-slim\n", refuses="Y104", files=(f"compose.yaml={_WEB}",)),
        Example(_APP, files=("app.py=", f"compose.yaml={_WEB}"),
                others=(f"compose.yaml={_WEB}    init: true\n",)),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each container of the image in compose files and Kubernetes manifests."""
    yield from container_settings.changes(snapshot, "init")
