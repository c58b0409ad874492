"""Filter the system calls of Kubernetes containers.

Docker forbids some fifty system calls that programs hardly need; Kubernetes forbids none unless it
is told to. `seccompProfile: {type: RuntimeDefault}` is the profile of the container runtime, which
is about that of Docker.

Refusals: Y101 the file is not clear enough to be edited, Y102 the container is given more than
others, Y103 there is another setting already, Y104 the stage is not known.
"""

from collections.abc import Iterator

from refactor import Change, Example, Phase, Refusal, Safety, Snapshot, transform
from refactor.structure import container_settings

_APP = 'FROM python:3.12-slim\nCOPY app.py /\nUSER 1001\nEXPOSE 8000\nCMD ["python", "/app.py"]\n'
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
        Example(_APP, files=("app.py=", "compose.yaml=services:\n  web:\n    build: .\n")),
        Example(_APP, files=("app.py=", f"deploy.yaml={_POD}      securityContext:\n        "
                             "seccompProfile:\n          type: Unconfined\n", _BUILT)),
        Example(_APP, refuses="Y102", files=("app.py=", f"deploy.yaml={_POD}      hostPID: true\n",
                                             _BUILT)),
        Example(_APP, refuses="Y101", files=("app.py=", f"deploy.yaml={_POD}", _BUILT,
                                             "kustomization.yaml=patches: []\n")),
        Example(_APP, files=("app.py=", f"deploy.yaml={_POD}", _BUILT),
                others=(f"deploy.yaml={_POD}          securityContext:\n"
                        "            seccompProfile:\n              type: RuntimeDefault\n",)),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each container of the image in compose files and Kubernetes manifests."""
    yield from container_settings.changes(snapshot, "seccomp")
