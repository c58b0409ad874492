"""Proofs written by hand, of each verdict, and the same with hostile text in every field."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum
from typing import Any

from refactor.engine import Remark
from refactor.proof.differences import Comparison, FileDifference, Group, How, SettingDifference
from refactor.proof.images import Defect, Image, Kind, Layer, Node, Package, Settings
from refactor.proof.results import (
    Answer,
    Build,
    Cause,
    Match,
    Proof,
    Question,
    Rebuild,
    Verdict,
)

BASE = Layer("sha256:debian", "FROM python:3.11", 48_000_000, 117_000_000, 4000, 0)
SU, LIB = "/usr/bin/su", "/usr/lib/x86_64-linux-gnu/libpq.so.5"


def image(*layers: Layer, user: str = "", defects: tuple[Defect, ...] = ()) -> Image:
    """Return an image of some layers."""
    settings = Settings(
        env={"PATH": "/usr/local/bin:/usr/bin", "LANG": "C.UTF-8"},
        user=user,
        workdir="/app",
        cmd=("gunicorn", "shop:app"),
        ports=frozenset({"8000/tcp"}),
        labels={"maintainer": "shop team"},
        platform="linux/amd64",
    )
    tree = {
        SU: Node(Kind.FILE, 0o4755, 0, 0, 72_000, "sha256:su"),
        "/app/shop.py": Node(Kind.FILE, 0o644, 0, 0, 1200, "sha256:app"),
    }
    packages = frozenset({Package("deb", "libc6", "2.36-9"), Package("python", "flask", "3.0")})
    unread = ("/var/lib/rpm/Packages: a database of a form that is not read",)
    return Image(settings, layers, tree, packages, frozenset(defects), unread=unread)


BEFORE = image(
    BASE,
    Layer("sha256:python", "FROM python:3.11 (2)", 240_000_000, 587_400_000, 21000, 0),
    Layer("sha256:wd", "WORKDIR /app", 120, 0, 1, 0),
    Layer("sha256:copy", "COPY . .", 3_000, 210_000, 14, 0),
    Layer("sha256:upd", "RUN apt-get update", 18_000_000, 19_300_000, 24, 19_300_000),
    Layer("sha256:apt", "RUN apt-get install -y gcc curl", 30_000_000, 61_700_000, 2100, 2_100_000),
    Layer("sha256:pip", "RUN pip install -r requirements.txt", 9_000_000, 31_400_000, 2900, 0),
)
AFTER = image(
    BASE,
    Layer("sha256:slim", "FROM python:3.11-slim (2)", 3_000_000, 7_300_000, 900, 0),
    Layer(
        "sha256:apt2",
        "RUN apt-get update     && apt-get install -y --no-install-recommends curl ca-certificates"
        "     && rm -rf /var/lib/apt/lists/*     && groupadd --gid 10001 app",
        4_000_000, 9_800_000, 300, 0,
    ),
    Layer("sha256:venv", "COPY --from=builder /opt/venv /opt/venv", 8_000_000, 26_100_000, 2500, 0),
    Layer("sha256:copy2", "COPY . .", 3_000, 210_000, 14, 0),
    user="10001:10001",
)  # fmt: skip
FILES = (
    FileDifference("/usr/bin/gcc-12", How.GONE, Group.TOOL, -1_218_000),
    FileDifference("/usr/libexec/gcc/cc1", How.GONE, Group.TOOL, -31_400_000),
    FileDifference("/var/lib/apt/lists/deb_main", How.GONE, Group.CACHE, -19_200_000),
    FileDifference("/var/cache/apt/pkgcache.bin", How.GONE, Group.CACHE, -2_100_000),
    FileDifference("/usr/share/doc/gcc/README", How.GONE, Group.DOCUMENTATION, -4_200),
    FileDifference("/etc/passwd", How.CHANGED, Group.ACCOUNT, 48, ("content",)),
    FileDifference("/usr/lib/libperl.so", How.GONE, Group.SYSTEM, -3_900_000),
    FileDifference("/opt/venv/lib/flask/app.py", How.ADDED, Group.MODULE, 59_000),
    FileDifference("/app", How.CHANGED, Group.APPLICATION, 0, ("mode", "owner")),
)
COMPARISON = Comparison(
    BEFORE,
    AFTER,
    settings=(
        SettingDifference("user", "", "10001:10001"),
        SettingDifference("env PATH", "/usr/bin", "/opt/venv/bin:/usr/bin"),
        SettingDifference("env GPG_KEY", "A035C8C19219BA821ECEA86B64E628F8D684696D", None),
    ),
    files=FILES,
    packages_added=frozenset({Package("deb", "curl", "7.88-2"), Package("deb", "tzdata", "2")}),
    packages_gone=frozenset({Package("deb", "curl", "7.88-1"), Package("deb", "gcc", "12.2")}),
    defects_added=frozenset({Defect("library", LIB, "needs libssl.so.3")}),
    defects_gone=frozenset({Defect("link", "/usr/bin/cc", "points to nothing")}),
    privileged_added=frozenset({"/usr/bin/new-mount"}),
    privileged_gone=frozenset({SU}),
    noise=17,
)
LIST = Layer("sha256:l", "COPY . .", 3_000, 90_000, 2, 0)
SAME = Comparison(
    image(BASE, Layer("sha256:u", "RUN update", 9_000, 19_000_000, 9, 0), LIST),
    image(BASE, Layer("sha256:m", "RUN update && install", 9_000, 19_000_000, 9, 0), LIST),
    (), (), frozenset(), frozenset(), frozenset(), frozenset(), frozenset(), frozenset(),
)  # fmt: skip
OK = Answer(200, "json object", uid=0, stops=0.4)
GET = Question("GET :8000/", OK, Answer(200, "json object", uid=10001, stops=0.3))
VERSION = Question("python --version", Answer(0, "text"), Answer(0, "text"))
LOST = Question(
    "GET :8000/orders", OK, Answer(None, "", "connection refused after 30 s", stops=None)
)
EMPTY = Question("GET :9000/", Answer(None, "", "refused"), Answer(None, "", "refused"))
REBUILD = Rebuild(
    "shop.py",
    Build(41.2, ("COPY . .", "RUN apt-get update", "RUN pip install -r requirements.txt")),
    Build(1.3, ("COPY . .",), ("RUN apt-get update",)),
)
CHANGES = (
    Remark(
        "change", "run-as-user", 15, "it need not run as root", "suggested",
        assumes=("all may read the files of the build context",),
    ),
    Remark("change", "merge-runs", 14, "two neighbouring RUN lines make one layer", "safe"),
)  # fmt: skip
LOG = (
    "#9 [5/7] RUN pip install -r requirements.txt",
    "error: command 'gcc' failed: No such file or directory",
    "ERROR: Failed building wheel for uwsgi",
)

EQUIVALENT = Proof(
    "api/Dockerfile", Verdict.EQUIVALENT, "nothing differs but layers and sizes", CHANGES[1:],
    Build(12.0), Build(11.0), SAME, questions=(VERSION,),
)  # fmt: skip
DECLARED = Proof(
    "shop/Dockerfile",
    Verdict.DECLARED,
    "every difference is one that a change declares",
    CHANGES,
    Build(64.0, ("COPY . .",)),
    Build(58.5, ("COPY . .",)),
    COMPARISON,
    matches=(
        Match("run-as-user", "nothing in it needs root", ("the user is 10001", "/app is its own")),
        Match("clean-apt-lists", "lists stay in the layer", ("2 files of `apt` are gone",)),
    ),
    questions=(GET, VERSION, EMPTY),
    rebuild=REBUILD,
)
BROKEN_BUILD = Proof(
    "worker/Dockerfile", Verdict.BROKEN, "the refactored file does not build", CHANGES,
    Build(30.0), Build(9.0, failed="RUN pip install -r requirements.txt", log=LOG),
    cause=Cause("drop-build-packages", "gcc is only there to build", 9),
)  # fmt: skip
BROKEN_ANSWER = Proof(
    "web/Dockerfile", Verdict.BROKEN, "an answer is not what it was", CHANGES, Build(30.0),
    Build(29.0), COMPARISON, undeclared=("the file /app/static/site.css is gone",),
    questions=(GET, LOST), cause=Cause("use-slim-base", "slim has all that is needed", 1),
)  # fmt: skip
BASELINE = Proof(
    "old/Dockerfile", Verdict.BASELINE, "it does not build as it is", CHANGES,
    Build(3.0, failed="RUN apt-get install -y python2", log=("E: Unable to locate package",)),
)  # fmt: skip
UNCHANGED = Proof("tidy/Dockerfile", Verdict.UNCHANGED, "there is nothing to change")
REFUSED = Proof("odd/Dockerfile", Verdict.REFUSED, "no engine would build it: line 3")
PROOFS = (
    EQUIVALENT, DECLARED, BROKEN_BUILD, BROKEN_ANSWER, BASELINE, UNCHANGED, REFUSED,
)  # fmt: skip


def hostile(value: Any, text: str) -> Any:
    """Return the same with a text appended to every text in it, deep inside too."""
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return value + text
    if isinstance(value, Mapping):
        return {hostile(key, text): hostile(item, text) for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        kind: Any = type(value)
        names = (field.name for field in dataclasses.fields(value))
        return kind(*(hostile(getattr(value, name), text) for name in names))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(hostile(item, text) for item in value))
    if isinstance(value, tuple | frozenset):
        return type(value)(hostile(item, text) for item in value)
    return value
