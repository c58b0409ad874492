"""Make the root file system of a container read-only.

What breaks into a container can then change no program in it. `read_only: true` in the compose
services that build the image, with a tmpfs at /tmp, and `readOnlyRootFilesystem: true` in the
Kubernetes containers that run it, where something is mounted at /tmp already.

Only where the sources in the build context tell all that is written, and that is below /tmp or in
volumes. An image that starts as root is left alone.

Refusals: Y101 the file is not clear enough to be edited, Y102 the container is given more than
others, Y103 there is another setting already, Y104 the stage or the user is not known, Y106 it
writes somewhere else, or where is not known.
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
    highest=Safety.RISKY,
    examples=[
        Example(_APP, files=("app.py=", "compose.yaml=services:\n  web:\n    image: other\n")),
        Example(_APP, refuses="Y106",
                files=("app.py=open('/data/a', 'w')\n", f"compose.yaml={_WEB}")),
        Example(_APP.replace("USER 1001\n", ""), refuses="Y106",
                files=("app.py=", f"compose.yaml={_WEB}")),
        Example(_APP, files=("app.py=print(1)\n", f"compose.yaml={_WEB}"),
                others=(f"compose.yaml={_WEB}    read_only: true\n    tmpfs:\n      - /tmp\n",)),
        Example(_APP, files=("app.py=open('/data/a', 'w')\n",
                             f"compose.yaml={_WEB}    volumes:\n      - data:/data\n"),
                others=(f"compose.yaml={_WEB}    volumes:\n      - data:/data\n"
                        "    read_only: true\n    tmpfs:\n      - /tmp\n",)),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each container of the image in compose files and Kubernetes manifests."""
    yield from container_settings.changes(snapshot, "read-only")
