"""Images that need no root: what is proposed, refused, and seen to be wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import PurePath

import pytest

from refactor.compose import Outcome, refactor
from refactor.context import MemoryContext
from refactor.effects import Build
from refactor.effects.containers import FROM_GIT, needs
from refactor.effects.started import commands, started, unwrapped
from refactor.facts import programs
from refactor.facts.accounts import Account, creates_user, creation
from refactor.facts.images import image
from refactor.knowledge import table
from refactor.model import Claim, Effect, Safety
from refactor.snapshot import Snapshot
from refactor.syntax import parse
from refactor.testing import check
from refactor.verify import verify
from tests.mutants import Accepted, equivalence, mutants
from transforms import run_as_user

TRANSFORM = run_as_user.propose
SLIM = "FROM python:3.12-slim-bookworm\nWORKDIR /app\n"
COPY = f"{SLIM}COPY . .\n"
CMD = 'CMD ["python", "app.py"]\n'
NODE = "FROM node:20-slim\nWORKDIR /app\nCOPY . .\n"
SERVE = 'CMD ["node", "server.js"]\n'
ALPINE = "FROM alpine:3.20\nCOPY run.sh /\n"
START = 'CMD ["/run.sh"]\n'
USERADD = (
    "groupadd --gid 10001 app \\\n"
    "    && useradd --no-log-init --uid 10001 --gid app --create-home --shell /usr/sbin/nologin app"
)
CREATED = f"RUN {USERADD}\n"
ADDUSER = (
    "RUN addgroup -S -g 10001 app \\\n"
    "    && adduser -S -D -u 10001 -G app -h /home/app -s /sbin/nologin app\n"
)
USER = "USER 10001:10001\n"


def snapshot(text: str, files: dict[str, str], place: str = "Dockerfile") -> Snapshot:
    """Return a Dockerfile with the repository around it, which is its build context."""
    tree = MemoryContext({path: data.encode() for path, data in files.items()})
    return Snapshot(PurePath("Dockerfile"), text, parse(text), tree, place=place)


def run(text: str, files: dict[str, str]) -> Outcome:
    """Run the transform alone."""
    return refactor(snapshot(text, files), [TRANSFORM], Safety.RISKY)


def codes(outcome: Outcome) -> list[str]:
    """Return the codes of the refusals."""
    return [refusal.code for _, refusal in outcome.refusals]


def test_examples_and_laws() -> None:
    assert check(TRANSFORM) > 8


@dataclass(frozen=True)
class Case:
    """A Dockerfile that gets `after`; `assumes` are parts of what is assumed, with `FROM_GIT`."""

    id: str
    before: str
    after: str
    files: dict[str, str]
    level: Safety = Safety.SUGGESTED
    assumes: tuple[str, ...] = ()


WRITES = {"app.py": "import os\nos.makedirs('data', exist_ok=True)\nopen('data/a', 'w')\n"}
PORT = {"server.js": "require('http').createServer().listen(8080)\n"}
FLASK = {"app.py": "import flask\nflask.Flask('a').run(port=8000)\n"}
COMPOSE = "services:\n  web:\n    build: .\n    volumes: [{}]\n    ports: ['8000:8000']\n"
WEB = "services:\n  web:\n    build: .\n"
POD = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    image: me/a\n"
GO = {"main.go": 'package main\nfunc main() { http.ListenAndServe(":8080", nil) }\n'}
PARENT = "FROM python:3.12-slim AS b\nRUN useradd -u 1001 w\n"
CASES = [
    Case("in-front-of-the-sources", f"{COPY}EXPOSE 8000\n{CMD}",
         f"{SLIM}{CREATED}COPY . .\nEXPOSE 8000\n{USER}{CMD}", FLASK),
    Case("behind-the-sources-that-hold-the-folder", f"{COPY}{CMD}",
         f"{COPY}RUN {USERADD} \\\n    && chown -R 10001:10001 /app/data\n{USER}{CMD}",
         WRITES | {"data/b": ""}, assumes=("no port below 1024",)),
    Case("a-folder-outside-the-sources", f"{COPY}EXPOSE 8000\n{CMD}",
         f"{SLIM}RUN {USERADD} \\\n    && mkdir -p /srv/x \\\n    && chown -R 10001:10001 /srv/x\n"
         f"COPY . .\nEXPOSE 8000\n{USER}{CMD}", {"app.py": "open('/srv/x/a', 'w')\n"}),
    Case("beside-the-sources", f"{COPY}EXPOSE 8000\n{CMD}",
         f"{COPY}EXPOSE 8000\nRUN {USERADD} \\\n    && chown 10001:10001 /app /app/a.db\n"
         f"{USER}{CMD}",
         {"app.py": "import sqlite3\nsqlite3.connect('a.db')\n", "a.db": ""}),
    Case("in-front-of-the-volume", f"{COPY}EXPOSE 8000\nVOLUME /data\nLABEL a=b\n{CMD}",
         f"{SLIM}RUN {USERADD} \\\n    && mkdir -p /data \\\n    && chown -R 10001:10001 /data\n"
         f"COPY . .\nEXPOSE 8000\nVOLUME /data\nLABEL a=b\n{USER}{CMD}", {"app.py": ""},
         assumes=("docker run --rm -v VOLUME:/v alpine chown -R 10001 /v",)),
    Case("behind-a-volume", f"{SLIM}VOLUME /data\nCOPY . .\nEXPOSE 8000\n{CMD}",
         f"{SLIM}VOLUME /data\nRUN {USERADD} \\\n    && mkdir -p /data \\\n"
         f"    && chown -R 10001:10001 /data\nCOPY . .\nEXPOSE 8000\n{USER}{CMD}", {"app.py": ""},
         assumes=("the builder keeps what a RUN changes below a VOLUME",)),
    Case("a-named-volume", f"{COPY}{CMD}",
         f"{SLIM}RUN {USERADD} \\\n    && mkdir -p /data \\\n    && chown -R 10001:10001 /data\n"
         f"COPY . .\n{USER}{CMD}", {"app.py": "", "compose.yaml": COMPOSE.format("'d:/data'")}),
    Case("a-mounted-folder", f"{COPY}{CMD}", f"{SLIM}{CREATED}COPY . .\n{USER}{CMD}",
         {"app.py": "", "compose.yaml": COMPOSE.format("'./d:/data'")},
         assumes=("compose.yaml:4: user 10001 may read what is mounted at /data",)),
    Case("shipped", f"{NODE}{SERVE}", f"{NODE}USER 1000:1000\n{SERVE}", PORT),
    Case("shipped-with-a-folder", f"{NODE}{SERVE}",
         f"{NODE}RUN mkdir -p /app/up \\\n    && chown -R 1000:1000 /app/up\n"
         f"USER 1000:1000\n{SERVE}",
         {"server.js": f"{PORT['server.js']}fs.writeFileSync('up/a', '')\n"}),
    Case("shipped-home", f'{NODE}CMD ["npm", "start"]\n',
         f'{NODE}USER 1000:1000\nCMD ["npm", "start"]\n',
         PORT | {"package.json": '{"scripts": {"start": "node server.js"}}'}),
    Case("php", "FROM php:8.3-fpm\nCOPY . /var/www/html/\n",
         "FROM php:8.3-fpm\nCOPY . /var/www/html/\nUSER 33:33\n", {"index.php": "<?php\n"}),
    Case("busybox", f"{ALPINE}{START}", f"FROM alpine:3.20\n{ADDUSER}COPY run.sh /\n{USER}{START}",
         {"run.sh": "#!/bin/sh\nexec sleep 1\n"}, assumes=("no port below 1024",)),
    Case("scratch", 'FROM golang:1.22 AS b\nCOPY . .\nRUN go build -o /a\nFROM scratch\n'
         'COPY --from=b /a /a\nCMD ["/a"]\n',
         'FROM golang:1.22 AS b\nCOPY . .\nRUN go build -o /a\nFROM scratch\n'
         'COPY --from=b /a /a\nUSER 65532:65532\nCMD ["/a"]\n', GO,
         assumes=("user 65532, who is not in /etc/passwd",)),
    Case("no-useradd", 'FROM amazonlinux:2023\nCOPY a /a\nEXPOSE 8080\nCMD ["/a"]\n',
         'FROM amazonlinux:2023\nCOPY a /a\nEXPOSE 8080\nUSER 10001:10001\nCMD ["/a"]\n',
         {"a": "", **GO}, Safety.RISKY, ("user 10001, who is not in /etc/passwd",)),
    Case("created-and-never-used", f"{SLIM}RUN useradd -r -u 999 web\nCOPY . .\n{CMD}",
         f"{SLIM}RUN useradd -r -u 999 web\nCOPY . .\nUSER 999\n{CMD}", FLASK),
    Case("created-without-a-number", f"{SLIM}RUN useradd -m web\nCOPY . .\n{CMD}",
         f"{SLIM}RUN useradd -m web\nCOPY . .\nUSER web\n{CMD}", FLASK),
    Case("created-and-owner", f"{SLIM}RUN useradd web\nCOPY . .\nRUN chown -R web /app\n{CMD}",
         f"{SLIM}RUN useradd web\nCOPY . .\nRUN chown -R web /app\nUSER web\n{CMD}", WRITES),
    Case("created-in-the-parent", f"{PARENT}FROM b\nCOPY . .\n{CMD}",
         f"{PARENT}FROM b\nCOPY . .\nUSER 1001\n{CMD}", FLASK),
    Case("copied-for-it", f"{PARENT}COPY --chown=w . /app/\nWORKDIR /app\n{CMD}",
         f"{PARENT}COPY --chown=w . /app/\nWORKDIR /app\nUSER 1001\n{CMD}",
         WRITES | {"data/a": ""}),
    Case("a-computed-path", f"{COPY}EXPOSE 8000\n{CMD}",
         f"{SLIM}{CREATED}COPY . .\nEXPOSE 8000\n{USER}{CMD}",
         {"app.py": "import sys\nopen(sys.argv[1], 'w')\n"},
         assumes=("app.py:2 writes below /tmp or to a path that user 10001 may write",)),
    Case("an-unknown-program", f'{COPY}EXPOSE 8000\nCMD ["frobnicate"]\n',
         f'{SLIM}{CREATED}COPY . .\nEXPOSE 8000\n{USER}CMD ["frobnicate"]\n', {"app.py": ""},
         Safety.RISKY, ("CMD: frobnicate needs no root",)),
    Case("a-script-that-is-not-there", f'{COPY}EXPOSE 8000\nCMD ["bash", "/x.sh"]\n',
         f'{SLIM}{CREATED}COPY . .\nEXPOSE 8000\n{USER}CMD ["bash", "/x.sh"]\n', {"app.py": ""},
         Safety.RISKY, ("CMD: bash /x.sh needs no root",)),
    Case("a-home-that-is-there", f"FROM python:3.12-slim\nWORKDIR /home/app\nCOPY . .\n{CMD}",
         "FROM python:3.12-slim\nWORKDIR /home/app\nRUN groupadd --gid 10001 appuser \\\n"
         "    && useradd --no-log-init --uid 10001 --gid appuser --create-home "
         f"--shell /usr/sbin/nologin appuser\nCOPY . .\n{USER}{CMD}", FLASK),
    Case("no-rights-that-are-asked-for", f"{COPY}{CMD}", f"{SLIM}{CREATED}COPY . .\n{USER}{CMD}",
         FLASK | {"compose.yaml": f"{WEB}    privileged: false\n    cap_add: []\n    devices:\n"
                  "    pid: service:db\n"}),
    Case("what-a-reader-may-try", f"{COPY}{CMD}", f"{SLIM}{CREATED}COPY . .\n{USER}{CMD}",
         FLASK | {"README.md": "```\ndocker build -t a .\ndocker run a apt-get update\n```\n"}),
    Case("a-script", f'{COPY}ENTRYPOINT ["./run.sh"]\n{CMD}',
         f'{COPY}RUN {USERADD} \\\n    && mkdir -p /app/log \\\n'
         f'    && chown -R 10001:10001 /app/log\n{USER}ENTRYPOINT ["./run.sh"]\n{CMD}',
         FLASK | {"run.sh": '#!/bin/sh\nmkdir -p log\nexec "$@"\n'}),
    Case("a-pid-file-in-a-folder-of-its-own",
         f'{COPY}CMD ["frobnicate", "-p", "/var/run/f/f.pid"]\n',
         f"{SLIM}RUN {USERADD} \\\n    && mkdir -p /var/run/f \\\n"
         "    && chown -R 10001:10001 /var/run/f\nCOPY . .\n"
         f'{USER}CMD ["frobnicate", "-p", "/var/run/f/f.pid"]\n', {"a": ""}, Safety.RISKY,
         ("CMD: frobnicate needs no root",)),
    Case("a-pid-file-where-the-working-directory-is-the-root",
         'FROM centos:7\nCMD ["/usr/bin/f", "-p", "/var/run/f/f.pid"]\n',
         f"FROM centos:7\nRUN {USERADD} \\\n    && mkdir -p /var/run/f \\\n"
         f"    && chown -R 10001:10001 /var/run/f\n{USER}"
         'CMD ["/usr/bin/f", "-p", "/var/run/f/f.pid"]\n', {"a": ""}, Safety.RISKY),
    Case("data-in-a-folder-that-is-given-already",
         f"{SLIM}RUN useradd -u 1001 w && mkdir -p /var/lib/f && chown w /var/lib/f\nCOPY . .\n"
         "CMD f --data=/var/lib/f\n",
         f"{SLIM}RUN useradd -u 1001 w && mkdir -p /var/lib/f && chown w /var/lib/f\nCOPY . .\n"
         "USER 1001\nCMD f --data=/var/lib/f\n", {"a": ""}, Safety.RISKY),
    Case("a-path-that-is-only-read", f"{COPY}COPY a /var/lib/f/a\n{{}}".format(
             'CMD ["python", "app.py", "--x", "/var/lib/f/a", "-c", "/var/lib/g/g.conf"]\n'),
         f"{SLIM}{CREATED}COPY . .\nCOPY a /var/lib/f/a\n{USER}"
         'CMD ["python", "app.py", "--x", "/var/lib/f/a", "-c", "/var/lib/g/g.conf"]\n',
         FLASK | {"a": ""}),
    Case("comments-stay", f"{COPY}\n# run it\n{CMD}",
         f"{SLIM}{CREATED}COPY . .\n\n{USER}\n# run it\n{CMD}", FLASK),
    Case("no-newline-at-the-end", "FROM php:8.3-fpm\nCOPY . /var/www/html/",
         "FROM php:8.3-fpm\nCOPY . /var/www/html/\nUSER 33:33", {"index.php": "<?php\n"}),
    Case("windows-newlines", f"{NODE}{SERVE}".replace("\n", "\r\n"),
         f"{NODE}USER 1000:1000\n{SERVE}".replace("\n", "\r\n"), PORT),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_user_is_proposed(case: Case) -> None:
    outcome = run(case.before, case.files)
    assert outcome.drops == ()
    assert outcome.snapshot.text == case.after, codes(outcome)
    (step,) = outcome.steps
    assert step.change.effective_level is case.level
    for part in case.assumes:
        assert any(part in text for text in step.change.assumes), step.change.assumes
    assert run(outcome.snapshot.text, case.files).snapshot.text == case.after


REFUSED = [
    ("U301", 'FROM redis:7\nCMD ["redis-server"]\n', {}),
    ("U301", f'{COPY}ENTRYPOINT ["/app/run.sh"]\n{CMD}',
     {"app.py": "", "run.sh": '#!/bin/sh\nif [ "$(id -u)" = 0 ]; then exec gosu app "$@"; fi\n'}),
    ("U301", f'{COPY}RUN apt-get install -y gosu\nENTRYPOINT ["/a"]\n', {}),
    ("U303", f'{COPY}CMD ["/usr/sbin/sshd", "-D"]\n', {}),
    ("U303", f'{COPY}CMD service ssh start && python app.py\n', {"app.py": ""}),
    ("U303", f'{COPY}ENTRYPOINT ["tini", "--", "supervisord"]\n', {}),
    ("U303", f'{COPY}ENTRYPOINT ["./run.sh"]\n', {"run.sh": "chown -R web /data\nexec sleep 1\n"}),
    ("U303", f'{COPY}ENTRYPOINT ["./a.sh"]\n', {"a.sh": "./b.sh\n", "b.sh": "apt-get update\n"}),
    ("U303", f"{COPY}CMD pip install -r requirements.txt && python app.py\n", {"app.py": ""}),
    ("U303", f"{COPY}RUN setcap cap_net_raw+ep /usr/bin/ping\n{CMD}", {"app.py": ""}),
    ("U303", f"{COPY}{CMD}", {"app.py": "import os\nos.system('useradd x')\n"}),
    ("U303", f"{COPY}{CMD}", {"app.py": "", "compose.yaml": COMPOSE.format(
        "/var/run/docker.sock:/var/run/docker.sock")}),
    *[("U303", f"{COPY}{CMD}", {"app.py": "", "compose.yaml": f"{WEB}    {right}\n"})
      for right in ("privileged: true", "cap_add: [NET_ADMIN]", "devices: [/dev/fuse]", "pid: host",
                    "privileged: $P", "privileged: false\n    cap_add:\n      - SYS_TIME")],
    ("U303", f"{COPY}{CMD}", {"app.py": "", "run.sh":
                              "docker build -t a .\ndocker run --rm --cap-add=SYS_PTRACE a\n"}),
    ("U303", f"{COPY}{CMD}", {"app.py": "", "run.sh":
                              "docker build -t a .\ndocker run --privileged -d a\n"}),
    *[("U303", f"{COPY}{CMD}", {"app.py": "", "run.sh": "docker build -t me/a .", "pod.yaml":
                                f"{POD}{right}"})
      for right in ("  hostPID: true\n", "    securityContext: {privileged: true}\n",
                    "    securityContext: {capabilities: {add: [NET_ADMIN]}}\n")],
    ("U303", f'{NODE}CMD ["npm", "start"]\n', {"package.json": '{"scripts": {"start": "nginx"}}'}),
    ("U303", f"{COPY}{CMD}", {"app.py": "", "compose.yaml": COMPOSE.format("a:/b") +
                              "    command: cron -f\n"}),
    ("U304", f"{COPY}EXPOSE 80\n{CMD}", {"app.py": ""}),
    ("U304", f"{COPY}ARG PORT=443\nEXPOSE $PORT\n{CMD}", {"app.py": ""}),
    ("U304", f"{COPY}ENV PORT=80\n{CMD}", {"app.py": ""}),
    ("U304", f"{COPY}CMD gunicorn -b 0.0.0.0:80 app:app\n", {"app.py": ""}),
    ("U304", f"{COPY}CMD uvicorn app:app --port 80\n", {"app.py": ""}),
    ("U304", f"{COPY}HEALTHCHECK CMD curl -f http://localhost/\n{CMD}", {"app.py": ""}),
    ("U304", f"{COPY}{CMD}", {"app.py": "import flask\nflask.Flask('a').run(port=80)\n"}),
    ("U304", "FROM nginx:1.27\nCOPY . /usr/share/nginx/html/\n", {"index.html": ""}),
    ("U305", "FROM python:3.12-slim\nWORKDIR /root/app\nCOPY . .\n" + CMD, {"app.py": ""}),
    ("U305", f"{COPY}ENV PATH=/root/.local/bin:$PATH\n{CMD}", {"app.py": ""}),
    ("U305", f"{COPY}RUN pip install --user flask\n{CMD}", {"app.py": ""}),
    ("U305", f"{COPY}RUN playwright install chromium\n{CMD}", {"app.py": ""}),
    ("U305", f"{COPY}RUN poetry install\n{CMD}", {"app.py": ""}),
    ("U305", f'{NODE}RUN corepack enable\nCMD ["pnpm", "start"]\n', PORT),
    ("U305", f"{COPY}COPY key /root/.ssh/key\n{CMD}", {"app.py": "", "key": ""}),
    ("U305", f"{COPY}COPY --chmod=700 run.sh /\n{CMD}", {"app.py": "", "run.sh": ""}),
    ("U305", f'{COPY}RUN chmod u+x run.sh\nCMD ["./run.sh"]\n', {"run.sh": "python app.py\n"}),
    ("U305", f"{COPY}{CMD}", {"app.py": "open('/var/log/app.log', 'a')\n"}),
    ("U305", f"{COPY}{CMD}", {"app.py": "open('/etc/motd', 'w')\n"}),
    *[("U305", f"{COPY}CMD {command}\n", {"app.py": ""}) for command in (
        "python app.py -p /var/run/app.pid", "python app.py --pid-path=/run/app.pid",
        "gunicorn --bind unix:/run/app.sock app:app", "uvicorn app:app --uds unix:///var/run/a",
        "python app.py >> /var/log/app.log", "python app.py 2>&1 | tee -a /var/log/app.log",
        '["sh", "-e", "/usr/bin/app", "-p", "/var/run/app.pid"]', "app --data /var/lib/app",
        '["app", "-H", "tcp://:4000,unix:///var/run/docker.sock"]')],
    ("U305", f"{COPY}ENV LOGS=/var/log\nCMD python app.py --to $LOGS/app.log\n", {"app.py": ""}),
    ("U305", f"FROM python:3.12-slim\nCOPY app.py /\n{CMD}", {"app.py": "open('a.log', 'w')\n"}),
    ("U305", f"{COPY}{CMD}", {"app.py": "x = '/root/cache'\nopen(x)\n"}),
    ("U305", f"{COPY}ADD https://a.example/b.jar /srv/b.jar\n{CMD}", {"app.py": ""}),
    ("U305", f"{COPY}COPY a.key /etc/ssl/private/\n{CMD}", {"app.py": "", "a.key": ""}),
    ("U304", f"{COPY}CMD uwsgi --ini u.ini\n", {"u.ini": "[uwsgi]\nhttp = :80\n", "app.py": ""}),
    ("U306", f"{COPY}CMD sudo python app.py\n", {"app.py": ""}),
    ("U307", f"FROM registry.example/base\nCOPY . .\n{CMD}", {"app.py": ""}),
    ("U307", f"ARG BASE\nFROM $BASE\nCOPY . .\n{CMD}", {"app.py": ""}),
    ("U308", SLIM, {"app.py": ""}),
    ("U308", 'FROM rust:1.85\nWORKDIR /a\nCOPY . .\nCMD ["cargo", "run"]\n', {"main.rs": ""}),
    ("U309", f"{COPY}ONBUILD RUN apt-get update\n{CMD}", {"app.py": ""}),
    ("U310", 'FROM mcr.microsoft.com/windows/servercore:ltsc2022\nCMD ["a.exe"]\n', {}),
    ("U311", f"{COPY}USER root\n{CMD}", {"app.py": ""}),
    ("U312", f"{COPY}RUN useradd a && useradd b\n{CMD}", {"app.py": ""}),
    ("U312", f"{COPY}RUN id a || useradd a\n{CMD}", {"app.py": ""}),
    ("U313", f'{COPY}CMD ["bash"]\n', {}),
    ("U313", f'{COPY}ENTRYPOINT ["tini", "--"]\nCMD ["python3"]\n', {}),
    ("U313", f"{COPY}CMD tail -f /dev/null\n", {}),
    ("U313", f"{COPY}{CMD}FROM python:3.12 AS dev\n{CMD}", {"app.py": ""}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "text", "files"), REFUSED, ids=lambda value: str(value)[:60])
def test_root_is_kept_where_it_is_needed(code: str, text: str, files: dict[str, str]) -> None:
    outcome = run(text, files)
    assert outcome.steps == ()
    assert code in codes(outcome)
    assert all(refusal.reason for _, refusal in outcome.refusals)


LEFT_ALONE = [
    f"{COPY}USER 1001\n{CMD}",
    f"{COPY}USER $APP\n{CMD}",
    "FROM nginxinc/nginx-unprivileged\nCOPY . /usr/share/nginx/html/\n",
    f"FROM python:3.12-slim AS b\nUSER web\nFROM b\nCOPY . .\n{CMD}",
]


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_who_is_no_root_is_left_alone(text: str) -> None:
    outcome = run(text, {"app.py": ""})
    assert (outcome.steps, outcome.refusals) == ((), ())


def test_without_a_context_nothing_changes() -> None:
    text = f"{SLIM}RUN useradd -u 1001 web\n{CMD}"
    outcome = refactor(
        Snapshot(PurePath("Dockerfile"), text, parse(text)), [TRANSFORM], Safety.RISKY
    )
    assert (outcome.steps, codes(outcome)) == ((), ["U308"])


def test_a_stage_with_children_keeps_root() -> None:
    text = (
        f"{SLIM}COPY . .\n{CMD}".replace("bookworm", "bookworm AS web", 1)
        + f"FROM web AS extra\nRUN apt-get update\nCOPY a /a\n{CMD}"
    )
    target = "services:\n  a:\n    build: {context: ., target: web}\n"
    outcome = run(text, {"app.py": "", "a": "", "compose.yaml": target})
    assert codes(outcome) == ["U309"]
    assert [step.change.claims[0].footprint & {"stage extra"} for step in outcome.steps] == [
        {"stage extra"}
    ]


def test_a_published_base_keeps_root() -> None:
    text = f"{COPY}{CMD}"
    tree = MemoryContext({"app.py": b""})
    published = Snapshot(PurePath("base/Dockerfile"), text, parse(text), tree, published=True)
    assert codes(refactor(published, [TRANSFORM], Safety.RISKY)) == ["U309"]


def judged(before: str, after: str, files: dict[str, str], stage: int = -1) -> str | None:
    """Return why the verifier rejects a text whose claims and assumptions are all in order."""
    old, new = snapshot(before, files), snapshot(after, files)
    number = stage % len(new.build.stages)
    model = new.build.stages[number]
    user = dict(model.config)["user"].text  # type: ignore[attr-defined]
    added = Counter(e.text for e in model.events)
    added.subtract(e.text for e in old.build.stages[number].events)
    claim = Claim(
        Effect.USER,
        frozenset({f"stage {new.graph.stages[number].label}", f"user {user}"}
                  | {f"+ {text}" for text in (+added).elements()}),
    )  # fmt: skip
    found = needs(new.build, number, new.graph.stages[number].image, new, user.partition(":")[0])
    return verify(old.evidence, new.evidence, [claim], found.assumes)


def test_a_folder_of_the_system_is_given_to_nobody() -> None:
    before = 'FROM centos:7\nCMD ["/usr/bin/f", "-p", "/var/run/f/f.pid"]\n'
    user = f"RUN {USERADD} && mkdir -p /var /var/run/f && chown -R 10001:10001 {{}}\n{USER}CMD"
    wide, narrow = (before.replace("CMD", user.format(path)) for path in ("/var", "/var/run/f"))
    assert judged(before, narrow, {"a": ""}) is None
    assert judged(before, wide, {"a": ""}) == "stage 0: /var stays root's"


def test_what_is_right_is_let_through() -> None:
    for case in CASES:
        if not case.assumes:
            assert judged(case.before, case.after, case.files) is None, case.id


BEFORE = f"{COPY}EXPOSE 8000\n{CMD}"
OWNED = "RUN mkdir -p /app/data && chown -R 10001:10001 /app/data\n"
GOOD = f"{COPY}{CREATED}{OWNED}EXPOSE 8000\n{USER}{CMD}"
ONE = (
    f"{COPY}RUN {USERADD} && mkdir -p /app/data && chown -R 10001:10001 /app/data\n"
    f"EXPOSE 8000\n{USER}{CMD}"
)
WRONG = {
    "never-created": (BEFORE, BEFORE.replace(CMD, f"USER app\n{CMD}")),
    "number-never-created": (BEFORE, BEFORE.replace(CMD, f"{USER}{CMD}")),
    "chown-left-out": (BEFORE, ONE.replace(" && chown -R 10001:10001 /app/data", "")),
    "folder-left-out": (BEFORE, BEFORE.replace(CMD, f"{CREATED}{USER}{CMD}")),
    "owned-by-another-number": (BEFORE, ONE.replace("R 10001:10001", "R 10002:10002")),
    "owned-by-root": (BEFORE, ONE.replace("chown -R 10001:10001", "chown -R root:root")),
    "another-folder": (BEFORE, ONE.replace("10001:10001 /app/data", "10001:10001 /app/date")),
    "another-name": (BEFORE, ONE.replace(USER, "USER web\n")),
    "another-number": (BEFORE, ONE.replace(USER, "USER 10002:10002\n")),
    "another-group": (BEFORE, ONE.replace(USER, "USER 10001:10002\n")),
    "root-after-all": (BEFORE, ONE.replace(USER, "USER root\n")),
    "group-never-created": (BEFORE, ONE.replace("groupadd --gid 10001 app \\\n    && ", "")),
    "all-of-it-given-away": (BEFORE, ONE.replace("/app/data\nEXPOSE", "/app/data /\nEXPOSE")),
    "system-given-away": (BEFORE, ONE.replace("mkdir -p /app/data", "chown -R app /usr")),
    "writable-by-all": (BEFORE, ONE.replace("chown -R 10001:10001", "chmod 777")),
    "failure-ignored": (BEFORE, ONE.replace("&& mkdir", "; mkdir")),
    "another-command": (BEFORE, ONE.replace("&& mkdir", "&& rm -rf /app/x && mkdir")),
    "a-second-run": (BEFORE, GOOD),
    "in-front-of-the-copy-that-resets-it": (
        BEFORE, f"{SLIM}RUN {USERADD} && mkdir -p /app/data && chown -R 10001:10001 /app/data\n"
        f"COPY . .\nEXPOSE 8000\n{USER}{CMD}"),
    "in-front-of-a-run": (
        f"{COPY}RUN apt-get update\nEXPOSE 8000\n{CMD}",
        f"{COPY}RUN {USERADD} && mkdir -p /app/data && chown -R 10001:10001 /app/data\n"
        f"{USER}RUN apt-get update\nEXPOSE 8000\n{CMD}"),
    "in-front-of-workdir": (BEFORE, ONE.replace(USER, "").replace("WORKDIR", f"{USER}WORKDIR")),
    "port-dropped": (BEFORE, ONE.replace("EXPOSE 8000\n", "")),
    "command-changed": (BEFORE, ONE.replace("app.py", "web.py")),
    "copy-dropped": (BEFORE, ONE.replace("COPY . .\n", "")),
    "low-port": (BEFORE.replace("8000", "80"), ONE.replace("8000", "80")),
    "needs-root": (BEFORE.replace(CMD, "CMD cron -f\n"), ONE.replace(CMD, "CMD cron -f\n")),
    "below-root": (BEFORE.replace("/app", "/root/a"), ONE.replace("/app", "/root/a")),
    "a-child-inherits": (
        BEFORE.replace("bookworm\n", "bookworm AS a\n", 1) + "FROM a\nRUN apt-get update\n",
        ONE.replace("bookworm\n", "bookworm AS a\n", 1) + "FROM a\nRUN apt-get update\n"),
    "a-home-that-is-there": (
        BEFORE.replace("/app", "/home/app"), ONE.replace("/app/data", "/home/app/data").replace(
            "WORKDIR /app", "WORKDIR /home/app")),
    "explicit-root": (
        BEFORE.replace("EXPOSE", "USER web\nEXPOSE"), ONE.replace("EXPOSE", "USER web\nEXPOSE")),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_version_is_rejected(name: str) -> None:
    before, after = WRONG[name]
    assert after not in (before, ONE)
    files = WRITES | {"data/b": ""}
    assert judged(BEFORE, ONE, files) is None
    stage = 0 if name == "a-child-inherits" else -1
    assert judged(before, after, files, stage) is not None


DISTRIBUTIONS = [
    ("debian:trixie", "adduser --disabled-password --uid 10001 app"),
    ("debian:trixie", "addgroup -S -g 10001 app && adduser -S -D -u 10001 -G app -h /home/app "
     "-s /sbin/nologin app"),
    ("alpine:3.20", "groupadd --gid 10001 app && useradd --no-log-init --uid 10001 --gid app "
     "--create-home --shell /usr/sbin/nologin app"),
    ("amazonlinux:2023", USERADD),
    ("node:20-slim", USERADD.replace("10001", "1000")),
    ("node:20-slim", USERADD.replace("app", "node")),
    ("ubuntu:24.04", USERADD.replace("10001", "1000")),
    ("ubuntu:22.04", USERADD.replace("10001", "33")),
]  # fmt: skip


@pytest.mark.parametrize(("base", "commands"), DISTRIBUTIONS)
def test_a_user_that_the_base_cannot_create(base: str, commands: str) -> None:
    number = next(word for word in commands.replace(":", " ").split() if word.isdecimal())
    before = f'FROM {base}\nCOPY a.sh /\nEXPOSE 8000\nCMD ["sh", "/a.sh"]\n'
    after = before.replace("CMD", f"RUN {commands}\nUSER {number}:{number}\nCMD")
    assert judged(before, after, {"a.sh": "exec sleep 1\n"}) is not None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_mutants_are_rejected(case: Case) -> None:
    outcome = run(case.before, case.files)
    step = outcome.steps[0]
    accepted = Accepted("run-as-user", step.change, step.before, outcome.snapshot)
    missed = [
        (mutant.kind, mutant.snapshot.text)
        for mutant in mutants(accepted, 40, Counter(), case.id)
        if mutant.kind != "swap instructions"  # the new RUN may stand anywhere
        and accepted.verdict(mutant.snapshot) is None
        and equivalence(accepted, mutant.snapshot.text) is None
    ]
    assert missed == []


CREATING = [
    ("useradd web", Account("web", "", "/home/web", False)),
    ("useradd -m -u 1001 web", Account("web", "1001", "/home/web")),
    ("useradd -rmu1001 -d /srv/w web", Account("web", "1001", "/srv/w")),
    ("useradd --create-home --uid=1001 --gid web web", Account("web", "1001", "/home/web")),
    ("sudo useradd --system web", Account("web", "", "/home/web", False)),
    ("useradd -u $ID web", Account("web", "", "/home/web", False)),
    ("useradd $NAME", None),
    ("adduser -D -u 1001 web", Account("web", "1001", "/home/web")),
    ("adduser -S -G web -H web", Account("web", "", "/home/web", False)),
    ("adduser --disabled-password --gecos a web", Account("web", "", "/home/web")),
    ("adduser --system --group web", Account("web", "", "", False)),
    ("adduser web docker", None),
    ("groupadd web", None),
]


@pytest.mark.parametrize(("command", "account"), CREATING)
def test_which_user_a_command_creates(command: str, account: Account | None) -> None:
    assert creates_user(tuple(command.split())) == account


def test_how_users_are_created() -> None:
    for base in ("debian:12", "ubuntu:24.04", "fedora:40", "archlinux", "opensuse/leap"):
        assert [c.split()[0] for c in creation(image(base, {}))] == ["groupadd", "useradd"], base
    assert [c.split()[0] for c in creation(image("alpine", {}))] == ["addgroup", "adduser"]
    for base in ("scratch", "amazonlinux", "amazoncorretto:17", "redhat/ubi9-minimal"):
        assert creation(image(base, {})) == (), base
    for base in ("debian:12", "alpine"):
        account = creates_user(tuple(creation(image(base, {}))[1].split()))
        assert account == Account("app", "10001", "/home/app")


def test_what_wraps_a_command() -> None:
    for text in (
        "exec nginx", "tini -- nginx", "env A=b nginx", "dumb-init nginx", "nice -n 5 nginx",
        "bundle exec nginx", "conda run -n a nginx", "timeout -s INT 5 nginx", "A=b nginx",
        "then nginx",
    ):  # fmt: skip
        assert unwrapped(tuple(text.split())) == ("nginx",), text


def test_the_commands_of_a_script() -> None:
    text = (
        "#!/bin/sh\nset -e\nhelp() {\n  echo a\n}\n# gosu web\ncase $1 in\n  web) nginx ;;\nesac\n"
        "cat > /etc/a <<EOF\nsudo nothing\nEOF\nif [ -f a ]; then chown b c; fi\nexec $@\n"
    )
    found = [argv[0] for _, argv, _ in commands(text) if argv]
    assert "gosu" not in found
    assert "sudo" not in found
    assert "nginx" in found
    assert [targets for _, _, targets in commands(text) if targets] == [("/etc/a",)]
    lines = {argv: line for line, argv, _ in commands(text)}
    assert lines["exec", "$@"] == 14


def test_what_is_started() -> None:
    files = {"a.sh": "./b.sh\n", "b.sh": 'exec "$@"\n', "package.json": '{"scripts":{"start":"x"}}'}
    text = 'FROM node:20\nWORKDIR /a\nCOPY . .\nENTRYPOINT ["./a.sh"]\nCMD ["npm", "start"]\n'
    state = snapshot(text, files)
    build: Build = state.build
    from refactor.effects.started import image_files

    assert state.sent is not None
    run = started(
        build.stages[0], state.graph.stages[0].image, image_files(build, 0, state.sent), state
    )
    assert [item.argv for item in run] == [
        ("./a.sh", "npm", "start"), ("./b.sh",), ("npm", "start"), ("x",),
    ]  # fmt: skip


PORTS = [
    ("gunicorn -b 0.0.0.0:80 a", [80]),
    ("gunicorn --bind :8000", [8000]),
    ("uvicorn a:b --port=81", [81]),
    ("php -S [::]:82", [82]),
    ("java -Dserver.port=83 -jar a.jar", [83]),
    ("x -p80", [80]),
    ("curl -f http://localhost/health", [80]),
    ("curl http://localhost:8080", [8080]),
    ("curl http://db:80", []),
    ("wait-for-it db:25", []),
    ("psql -p 543", []),
    ("python app.py --time 10:30", []),
]


@pytest.mark.parametrize(("command", "found"), PORTS)
def test_the_ports_of_a_command(command: str, found: list[int]) -> None:
    name, *arguments = command.split()
    assert list(programs.ports(name, tuple(arguments))) == found


def test_tables() -> None:
    verdicts = {"root", "drops", "sudo", "home", "builds", "runs", "assumes", "tool"}
    for row in table("started_programs"):
        assert row["verdict"] in verdicts
        assert row["source"] not in ("", "-")
        assert row["port"] == "-" or 0 < int(row["port"]) < 65536
    for row in (*table("home_installs"), *table("framework_folders")):
        assert row["source"]


def test_what_git_keeps_is_assumed_of_copies_from_the_context_alone() -> None:
    (step,) = run(f"{COPY}{CMD}", FLASK).steps
    assert FROM_GIT in step.change.assumes
