"""Drop the capabilities that a container does not need.

Docker gives each container 14 of the rights of root: to make device nodes, to open raw sockets, to
read what belongs to others. A process that is not root has none of them, but for programs that gain
them when they are started. `cap_drop: [ALL]` in the compose services that build the image, and
`capabilities: {drop: [ALL]}` in the Kubernetes containers that run it, keep them from all.

What the image needs is added back: NET_BIND_SERVICE for a port below 1024, and what the entry
scripts of postgres, mysql, mariadb, redis, mongo and nginx need to become another user. An image
that starts as root otherwise is left alone, and one with sudo, ping or file capabilities. A file is
changed where it says nothing of capabilities yet; other lines stay as they are.

Refusals: Y101 the file is not clear enough to be edited, Y102 the container is given more than
others, Y103 there is another setting already, Y104 the stage, the user or the base image is not
known, Y105 the image needs rights.
"""

from collections.abc import Iterator

from refactor import Change, Example, Phase, Refusal, Safety, Snapshot, transform
from refactor.structure import container_settings

_APP = 'FROM python:3.12-slim\nCOPY app.py /\nUSER 1001\nEXPOSE 8000\nCMD ["python", "/app.py"]\n'
_WEB = "services:\n  web:\n    build: .\n"
_POD = (
    "kind: Deployment\napiVersion: apps/v1\nspec:\n  template:\n    spec:\n      containers:\n"
    "        - name: web\n          image: acme/web\n"
)
_BUILT = "build.sh=docker build -t acme/web .\n"


@transform(
    phase=Phase.ENTRY,
    triggers=("from",),
    default=False,
    highest=Safety.SUGGESTED,
    examples=[
        Example(_APP, files=("app.py=", "compose.yaml=services:\n  web:\n    image: other\n")),
        Example(_APP, refuses="Y101", files=("app.py=", f"compose.yaml={_WEB}    a: {{{{ b }}}}\n")),
        Example(_APP, refuses="Y102", files=("app.py=", f"compose.yaml={_WEB}    privileged: true\n")),
        Example(_APP, refuses="Y103", files=("app.py=", f"compose.yaml={_WEB}    cap_drop: [KILL]\n")),
        Example("FROM acme/base\n", refuses="Y104", files=(f"compose.yaml={_WEB}",)),
        Example(_APP.replace("USER 1001\n", ""), refuses="Y105",
                files=("app.py=", f"compose.yaml={_WEB}")),
        Example(_APP, files=("app.py=", f"compose.yaml={_WEB}"),
                others=(f"compose.yaml={_WEB}    cap_drop:\n      - ALL\n",)),
        Example(_APP.replace("8000", "80"), files=("app.py=", f"compose.yaml={_WEB}"),
                others=(f"compose.yaml={_WEB}    cap_drop:\n      - ALL\n    cap_add:\n"
                        "      - NET_BIND_SERVICE\n",)),
        Example(_APP, files=("app.py=", f"deploy.yaml={_POD}", _BUILT),
                others=(f"deploy.yaml={_POD}          securityContext:\n"
                        "            capabilities:\n              drop:\n                - ALL\n",)),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each container of the image in compose files and Kubernetes manifests."""
    yield from container_settings.changes(snapshot, "capabilities")
