"""Keep programs in a container from gaining rights.

A program with the set-user-ID bit, such as su, runs as root whoever starts it.
`no-new-privileges:true` in the compose services that build the image, and
`allowPrivilegeEscalation: false` in the Kubernetes containers that run it, take that from it. To
become another user, as gosu and su-exec do for root, needs no such program.

An image with sudo, ping or file capabilities is left alone, and one that starts as root, but for
those of which it is known what they start. A file is changed where it says nothing of it yet.

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
        Example(_APP, refuses="Y103", files=("app.py=", f"compose.yaml={_WEB}    security_opt:\n"
                                             "      - label:type:a\n")),
        Example(_APP.replace("USER", "RUN apt-get install -y sudo\nUSER"), refuses="Y105",
                files=("app.py=", f"compose.yaml={_WEB}")),
        Example(_APP, files=("app.py=", f"compose.yaml={_WEB}"),
                others=(f"compose.yaml={_WEB}    security_opt:\n"
                        "      - no-new-privileges:true\n",)),
        Example(_APP, files=("app.py=", f"deploy.yaml={_POD}", _BUILT),
                others=(f"deploy.yaml={_POD}          securityContext:\n"
                        "            allowPrivilegeEscalation: false\n",)),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each container of the image in compose files and Kubernetes manifests."""
    yield from container_settings.changes(snapshot, "privileges")
