"""Let Kubernetes refuse to run the image as root.

With `runAsNonRoot: true` the kubelet does not start a container whose image has come to run as
root. It can tell only if USER is a number. A compose file has no such setting, and its `user:` is
left alone: whom an image runs as, and what that user owns, is for the Dockerfile to say.

Refusals: Y101 the file is not clear enough to be edited, Y102 the container is given more than
others, Y103 there is another setting already, Y104 the stage is not known, Y105 it starts as root,
Y107 the user is given by name.
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
        Example(_APP.replace("USER 1001\n", ""), refuses="Y105",
                files=("app.py=", f"deploy.yaml={_POD}", _BUILT)),
        Example(_APP.replace("1001", "nobody"), refuses="Y107",
                files=("app.py=", f"deploy.yaml={_POD}", _BUILT)),
        Example(_APP, files=("app.py=", f"deploy.yaml={_POD}", _BUILT),
                others=(f"deploy.yaml={_POD}          securityContext:\n"
                        "            runAsNonRoot: true\n",)),
        Example(_APP, files=("app.py=", _BUILT, f"deploy.yaml={_POD}          securityContext:\n"
                             "            readOnlyRootFilesystem: true\n"),
                others=(f"deploy.yaml={_POD}          securityContext:\n"
                        "            readOnlyRootFilesystem: true\n"
                        "            runAsNonRoot: true\n",)),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each container of the image in compose files and Kubernetes manifests."""
    yield from container_settings.changes(snapshot, "non-root")
