"""Stages that start from an image without a shell: what is written, refused, seen to be wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from refactor.compose import Outcome
from refactor.facts.distroless import builds_for, distroless
from refactor.facts.images import image
from refactor.knowledge import table
from refactor.model import Change, Safety
from refactor.registry import select
from refactor.snapshot import Snapshot
from refactor.testing import check
from refactor.verify import verify
from tests import snapshots
from tests.engine import start
from tests.snapshots import snapshot
from transforms import use_distroless_base

ID = "use-distroless-base"
NODE = "gcr.io/distroless/nodejs22-debian13"
JAVA = "gcr.io/distroless/java21-debian13"
PYTHON = "gcr.io/distroless/python3-debian13"
LINK = "RUN ln -sf /usr/bin/python3.13 /opt/venv/bin/python\n"
BUILD = "FROM node:22-slim AS build\nWORKDIR /app\nCOPY . .\nRUN npm ci\n"
TAKE = "WORKDIR /app\nCOPY --from=build /app /app\n"
RUN = 'CMD ["node", "server.js"]\n'
SERVER = {"server.js": "require('http')\n"}
MAVEN = "FROM maven:3-eclipse-temurin-21 AS build\nWORKDIR /src\nCOPY . .\nRUN mvn package\n"
JAR = "COPY --from=build /src/target/a.jar /app/a.jar\n"
VENV = (
    "FROM python:3.13-slim-bookworm AS builder\nRUN python -m venv /opt/venv\n"
    'ENV PATH="/opt/venv/bin:$PATH"\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\n'
)
APP = (
    "FROM python:3.13-slim\nWORKDIR /app\nCOPY --from=builder /opt/venv /opt/venv\n"
    'ENV PATH="/opt/venv/bin:$PATH"\nCOPY app.py .\n'
)
WEB = '["gunicorn", "app:app"]\n'
START = f"CMD {WEB}"
FLASK = {"requirements.txt": "flask\ngunicorn\n", "app.py": "import flask\n"}


def run(text: str, files: dict[str, str], *names: str) -> Outcome:
    """Run the transform, or others."""
    return snapshots.run(snapshot(text, files), *(names or (ID,)))


def test_examples_and_laws() -> None:
    assert check(use_distroless_base) > 5


def test_every_row_has_a_source_and_says_what_is_assumed() -> None:
    rows = table("distroless")
    for row in rows:
        assert row["source"]
        assert row["assumes"]
        assert all(cell and cell == cell.strip() for cell in row.values()), row
        assert row["distroless"].startswith("gcr.io/distroless/")
        assert row["distroless"].endswith("-debian13")
    assert len({row["distroless"] for row in rows}) == len(rows)


IMAGES = {
    "python:3.13-slim": PYTHON, "python:3.13.1-slim-trixie": PYTHON, "python:3.13": "",
    "python:3.12-slim": "", "python:3.13-alpine": "", "python:3.14-slim": "",
    "python:3.13-slim-forky": "", "python:slim": "", "python:3.13-slim@sha256:ab": "",
    "node:22-slim": NODE, "node:22.3.0-bookworm-slim": NODE, "node:22-trixie-slim": NODE,
    "node:20-slim": "", "node:22-alpine": "", "node:slim": "", "node:lts-slim": "",
    "eclipse-temurin:21-jre": JAVA, "eclipse-temurin:21.0.5_11-jre-noble": JAVA,
    "eclipse-temurin:21-jre-alpine": "", "eclipse-temurin:21-jdk": "", "eclipse-temurin:21": "",
    "eclipse-temurin:11-jre": "", "eclipse-temurin:21-jre-resolute": "", "debian:12-slim": "",
    "docker.io/library/python:3.13-slim": PYTHON, "example.com/python:3.13-slim": "",
}  # fmt: skip


@pytest.mark.parametrize(("reference", "wanted"), IMAGES.items(), ids=IMAGES)
def test_which_image_stands_for_which(reference: str, wanted: str) -> None:
    found = distroless(image(reference, {}))
    assert (found.reference if found else "") == wanted


BUILDERS = {
    "python:3.13": True, "python:3.13-slim": True, "python:3.13.2-bookworm": True,
    "python:3.130": False, "python:3.12": False, "python:3.13-alpine": False,
    "python:3.13-forky": False, "pypy:3.13": False, "node:22": False,
}  # fmt: skip


@pytest.mark.parametrize(("reference", "wanted"), BUILDERS.items(), ids=BUILDERS)
def test_what_is_built_runs_with_the_same_version_and_c_library(
    reference: str, wanted: bool
) -> None:
    assert builds_for(image(reference, {}), image("python:3.13-slim", {})) is wanted


PROBE = 'HEALTHCHECK --interval=5s CMD ["node", "probe.js"]\n'
WRITTEN = {
    "CMD": (f"{BUILD}FROM node:22-slim\n{TAKE}{RUN}",
            f'{BUILD}FROM {NODE}\n{TAKE}CMD ["server.js"]\n', SERVER),
    "ENTRYPOINT and CMD": (
        f'{BUILD}FROM node:22-slim\n{TAKE}ENTRYPOINT ["node"]\nCMD ["server.js"]\n',
        f'{BUILD}FROM {NODE}\n{TAKE}ENTRYPOINT ["/nodejs/bin/node"]\nCMD ["server.js"]\n', SERVER),
    "HEALTHCHECK": (
        f"{BUILD}FROM node:22-slim AS web\n{TAKE}USER 10001\n{PROBE}{RUN}",
        f"{BUILD}FROM {NODE} AS web\n{TAKE}USER 10001\n"
        f'{PROBE.replace("node", "/nodejs/bin/node")}CMD ["server.js"]\n', SERVER),
    "a list on several lines": (
        f'{BUILD}FROM node:22-slim\n{TAKE}CMD [ \\\n    "nodejs", \\\n    "--inspect", "a.js"]\n',
        f'{BUILD}FROM {NODE}\n{TAKE}CMD [ \\\n    "--inspect", "a.js"]\n', SERVER),
    "java -jar": (f'{MAVEN}FROM eclipse-temurin:21-jre\n{JAR}CMD ["java", "-jar", "/app/a.jar"]',
                  f'{MAVEN}FROM {JAVA}\n{JAR}CMD ["/app/a.jar"]', {}),
    "java with options": (
        f'{MAVEN}FROM eclipse-temurin:21-jre\n{JAR}# it\nCMD ["java", "-Xmx1g", "-jar", "a.jar"]\n',
        f'{MAVEN}FROM {JAVA}\n{JAR}# it\nENTRYPOINT []\n'
        'CMD ["java", "-Xmx1g", "-jar", "a.jar"]\n', {}),
    "java as ENTRYPOINT": (
        f'{MAVEN}FROM eclipse-temurin:21-jre\n{JAR}ENTRYPOINT ["java", "-jar", "/app/a.jar"]\n',
        f'{MAVEN}FROM {JAVA}\n{JAR}ENTRYPOINT ["java", "-jar", "/app/a.jar"]\n', {}),
    "a script of an environment": (
        f"{VENV}\n{APP}{START}",
        f"{VENV}{LINK}\n{APP.replace('python:3.13-slim', PYTHON)}ENTRYPOINT []\n{START}", FLASK),
    "the environment's own path": (
        f'{VENV}\n{APP}ENTRYPOINT ["/opt/venv/bin/python3", "app.py"]\n',
        f"{VENV}{LINK}\n{APP.replace('python:3.13-slim', PYTHON)}"
        'ENTRYPOINT ["/opt/venv/bin/python3", "app.py"]\n', FLASK),
    "a variable names it": (
        f"{VENV}\n{APP}{START}".replace("RUN python -m venv /opt/venv",
                                        "ENV V=/opt/venv\nRUN python3 -m venv $V"),
        f"{VENV}{LINK[:-1]}3\n\n{APP.replace('python:3.13-slim', PYTHON)}ENTRYPOINT []\n{START}"
        .replace("RUN python -m venv /opt/venv", "ENV V=/opt/venv\nRUN python3 -m venv $V"), FLASK),
    "no environment": (
        'FROM python:3.13-slim\nCOPY app.py /app/\nCMD ["python3", "/app/app.py"]\n',
        f'FROM {PYTHON}\nCOPY app.py /app/\nCMD ["/app/app.py"]\n', {"app.py": "import json\n"}),
    "a full image": (f"{VENV}\n{APP}{START}".replace("3.13-slim\n", "3.13\n"),
                     f"{VENV}{LINK}\n{APP.replace('python:3.13-slim', PYTHON)}"
                     f"ENTRYPOINT []\n{START}", FLASK),
    "line ends": (f"{BUILD}FROM node:22-slim\n{TAKE}{RUN}".replace("\n", "\r\n"),
                  f'{BUILD}FROM {NODE}\n{TAKE}CMD ["server.js"]\n'.replace("\n", "\r\n"), SERVER),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after", "files"), WRITTEN.values(), ids=WRITTEN)
def test_what_is_written(before: str, after: str, files: dict[str, str]) -> None:
    found = run(before, files)
    assert not found.drops
    assert found.snapshot.text == after
    assert found.steps[0].change.effective_level is Safety.RISKY


def test_it_is_off_unless_it_is_asked_for() -> None:
    assert ID not in [entry.id for entry in select((), ())]
    assert ID in [entry.id for entry in select(("all",), ())]


def test_a_stage_is_split_and_then_runs_without_a_shell() -> None:
    text = (
        "FROM python:3.13\nWORKDIR /app\nCOPY requirements.txt .\n"
        'RUN pip install -r requirements.txt\nCOPY app.py .\nCMD ["python", "app.py"]\n'
    )
    found = run(text, FLASK, "split-python-stages", "use-slim-base", "run-as-user", ID)
    names = [step.transform.id for step in found.steps]
    assert names.index("split-python-stages") < names.index(ID)
    assert not found.drops
    assert f"{LINK}\nFROM {PYTHON}\n" in found.snapshot.text
    assert found.snapshot.text.endswith(
        'USER 65532:65532\nENTRYPOINT []\nCMD ["python", "app.py"]\n'
    )


def refused(text: str, code: str, **files: str) -> tuple[str, str, dict[str, str]]:
    """Return a case that is refused; a file's name has two underscores for its dot."""
    return text, code, {name.replace("__", "."): data for name, data in files.items()}


FROM = f"{BUILD}FROM node:22-slim\n"
PY = "requirements__txt"
PURE = {PY: "flask"}
REFUSED = {
    "shell-form CMD": refused(f"{FROM}{TAKE}CMD node server.js\n", "B621"),
    "shell-form HEALTHCHECK": refused(f"{FROM}{TAKE}HEALTHCHECK CMD node a.js\n{RUN}", "B621"),
    "HEALTHCHECK with curl": refused(
        f'{FROM}{TAKE}HEALTHCHECK CMD ["curl", "-f", "localhost"]\n{RUN}', "B621"),
    "RUN": refused(f"{FROM}{TAKE}RUN true\n{RUN}", "B621"),
    "npm": refused(f'{FROM}{TAKE}CMD ["npm", "start"]\n', "B621"),
    "a script": refused(f'{FROM}{TAKE}ENTRYPOINT ["./entrypoint.sh"]\n{RUN}', "B621"),
    "no program": refused(f"{FROM}{TAKE}", "B621"),
    "no argument": refused(f'{FROM}{TAKE}CMD ["node"]\n', "B621"),
    "a shell": refused(f'{FROM}{TAKE}CMD ["sh", "-c", "node server.js"]\n', "B621"),
    "ONBUILD": refused(f"{FROM}{TAKE}ONBUILD RUN true\n{RUN}", "B621"),
    "the image's own user": refused(f"{FROM}{TAKE}USER node\n{RUN}", "B621"),
    "its number": refused(f"{FROM}{TAKE}USER 1000:1000\n{RUN}", "B621"),
    "an owner by name": refused(
        f"{FROM}WORKDIR /a\nCOPY --chown=node:node . .\n{RUN}", "B621"),
    "no absolute directory": refused(f"{FROM}COPY . app\n{RUN}", "B621"),
    "files of the image": refused(f"{FROM}{TAKE}COPY a /usr/bin/a\n{RUN}", "B621", a=""),
    "programs of another image": refused(
        f"{FROM}{TAKE}COPY --from=busybox:1 /bin/sh /app/sh\n{RUN}", "B621"),
    "a program of the application": refused(
        f"{FROM}{TAKE}{RUN}", "B621", server__js="require('child_process').exec('git log')\n"),
    "one that is not known": refused(
        f"{FROM}{TAKE}{RUN}", "B621", server__js="require('child_process').spawn(x)\n"),
    "a variable of the image": refused(
        f"{FROM}{TAKE}{RUN}", "B621", server__js="console.log(process.env.NODE_VERSION)\n"),
    "a path of the image": refused(
        f"{FROM}ENV NODE_PATH=/usr/local/lib/node_modules\n{TAKE}{RUN}", "B621"),
    "PATH": refused(f"{FROM}ENV PATH=/x/bin:$PATH\n{TAKE}{RUN}", "B622"),
    "another version": refused(f"{BUILD}FROM node:20-slim\n{TAKE}{RUN}", "B620"),
    "musl": refused(f"{BUILD}FROM node:22-alpine\n{TAKE}{RUN}", "B620"),
    "another platform": refused(
        f"{BUILD}FROM --platform=linux/arm/v7 node:22-slim\n{TAKE}{RUN}", "B620"),
    "a build argument": refused(
        f"ARG V=22\n{BUILD}FROM node:$V-slim\n{TAKE}{RUN}", "B605"),
    "compose runs something else": refused(
        f"{FROM}{TAKE}{RUN}", "B621",
        compose__yml="services:\n  a:\n    build: .\n    command: npm start\n"),
    "JAVA_HOME": refused(
        f'{MAVEN}FROM eclipse-temurin:21-jre\n{JAR}ENV A=$JAVA_HOME\nCMD ["java", "-version"]\n',
        "B621"),
    "a JDK": refused('FROM eclipse-temurin:21\nCOPY a /a\nCMD ["java", "-jar", "a"]\n', "B620"),
    "a process of Java": refused(
        f'{MAVEN}FROM eclipse-temurin:21-jre\n{JAR}CMD ["java", "-jar", "a.jar"]\n', "B621",
        a__java="class A { void b() { new ProcessBuilder(c).start(); } }\n"),
    "a musl environment": refused(
        f"{VENV}{APP}{START}".replace("3.13-slim-bookworm", "3.13-alpine"), "B622", **PURE),
    "another Python's environment": refused(
        f"{VENV}{APP}{START}".replace("3.13-slim-bookworm", "3.12-slim"), "B622", **PURE),
    "a later Debian's": refused(
        f"{VENV}{APP}{START}".replace("3.13-slim-bookworm", "3.13-forky"), "B622", **PURE),
    "one that uv made": refused(
        f"{VENV}{APP}{START}".replace("python -m venv", "uv venv"), "B622", **PURE),
    "one with copies": refused(
        f"{VENV}{APP}{START}".replace("-m venv", "-m venv --copies"), "B622", **PURE),
    "one that is moved": refused(
        f"{VENV}{APP}{START}".replace("/opt/venv /opt/venv", "/opt/venv /venv"), "B622",
        **PURE),
    "one that is not in PATH": refused(
        f'{VENV}{APP.replace("ENV PATH", "ENV P")}{START}', "B622", **PURE),
    "what is compiled": refused(f"{VENV}{APP}{START}", "B622", **{PY: "uwsgi"}),
    "what needs a library": refused(f"{VENV}{APP}{START}", "B622", **{PY: "python-magic"}),
    "what is not read": refused(
        f"{VENV}RUN poetry install\n{APP}{START}", "B622", **PURE),
    "site-packages": refused(
        f"{VENV}FROM python:3.13-slim\nCOPY --from=builder /usr/local/lib/python3.13/site-packages "
        f"/usr/local/lib/python3.13/site-packages\n{START}", "B621", **PURE),
    "a builder with another user": refused(
        f"{VENV}USER 1000\n{APP}{START}", "B622", **PURE),
    "a builder that others use": refused(
        f"{VENV}FROM builder AS test\nRUN pytest\n{APP}{START}", "B622", **PURE),
    "a builder that is mounted": refused(
        f"{VENV}FROM debian:12 AS b\nRUN --mount=from=builder,target=/b ls\n{APP}{START}", "B622",
        **PURE),
    "ctypes": refused(f"{VENV}{APP}{START}", "B621",
                      app__py="import ctypes.util\nctypes.util.find_library('c')", **PURE),
}  # fmt: skip


@pytest.mark.parametrize(("text", "code", "files"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(text: str, code: str, files: dict[str, str]) -> None:
    found = run(text, {"server.js": "", "app.py": "", "a": ""} | files)
    assert found.snapshot.text == text
    assert not found.drops
    assert [refusal.code for _, refusal in found.refusals] == [code]


def test_the_reader_of_a_page_is_no_user_of_the_image() -> None:
    found = run(f"{FROM}{TAKE}{RUN}", SERVER | {"README.md": "docker run app npm start\n"})
    assert found.steps


def test_what_compose_runs_by_its_path_stays() -> None:
    compose = "services:\n  a:\n    build: .\n    command: flask run\n"
    assert run(f"{VENV}{APP}{START}", FLASK | {"compose.yml": compose}).steps


@pytest.mark.parametrize("other", ["FROM node:22-slim AS last\nCOPY --from=run /app /app\n",
                                   "FROM run\n"])  # fmt: skip
def test_a_stage_that_others_need_is_no_image_to_run(other: str) -> None:
    found = run(f"{BUILD}FROM node:22-slim AS run\n{TAKE}{RUN}{other}", SERVER)
    assert not found.steps


RICH = (
    f'{VENV}\n{APP}ENV A=b\nEXPOSE 80\nUSER 10001\nHEALTHCHECK CMD ["python", "probe.py"]\n{START}'
)
HERE = f"FROM {PYTHON}\n"
WRONG_PYTHON = [
    ("CMD is run by a shell", START, "CMD gunicorn app:app\n"),
    ("CMD is what ENTRYPOINT is given", "ENTRYPOINT []\n", ""),
    ("the words are lost", '"app:app"', '"app:b"'),
    ("another program", '["gunicorn"', '["uvicorn"'),
    ("ENTRYPOINT in place of CMD", f"ENTRYPOINT []\nCMD {WEB}", f"ENTRYPOINT {WEB}"),
    ("the image's own Python", "ENTRYPOINT []", 'ENTRYPOINT ["/usr/bin/python3.13"]'),
    ("HEALTHCHECK with curl", '["python", "probe.py"]', '["curl", "localhost"]'),
    ("HEALTHCHECK by a shell", '["python", "probe.py"]', "python probe.py"),
    ("HEALTHCHECK with another Python", '["python", "probe', '["/usr/bin/python3.13", "probe'),
    ("HEALTHCHECK is lost", 'HEALTHCHECK CMD ["python", "probe.py"]\n', ""),
    ("HEALTHCHECK has options", "HEALTHCHECK CMD", "HEALTHCHECK --interval=1s CMD"),
    ("a RUN is left", HERE, f"{HERE}RUN true\n"),
    ("another version", "python3-debian13", "python3-debian12"),
    ("another language", PYTHON, NODE),
    ("another tag", f"{HERE[:-1]}", f"{HERE[:-1]}:nonroot"),
    ("the debug image", f"{HERE[:-1]}", f"{HERE[:-1]}:debug"),
    ("a digest", f"{HERE[:-1]}", f"{HERE[:-1]}@sha256:ab"),
    ("a platform", f"FROM {PYTHON}", f"FROM --platform=linux/amd64 {PYTHON}"),
    ("a name", f"{HERE[:-1]}", f"{HERE[:-1]} AS web"),
    ("no link", LINK, ""),
    ("another link", "/opt/venv/bin/python\n", "/opt/venv/bin/python3\n"),
    ("a link to another version", "/usr/bin/python3.13", "/usr/bin/python3.12"),
    ("a link that may fail", LINK, f"{LINK[:-1]} || true\n"),
    ("a link in another directory", "RUN ln -sf /usr/bin/python3.13", "RUN cd / && ln -sf a"),
    ("a link and more", LINK, f"{LINK[:-1]} && pip list\n"),
    ("a link too early", f"RUN pip install -r requirements.txt\n{LINK}",
     f"{LINK}RUN pip install -r requirements.txt\n"),
    ("a link in a mount", "RUN ln", "RUN --mount=type=tmpfs,target=/opt ln"),
    ("the link is made where there is no shell", LINK + "\n" + HERE, "\n" + HERE + LINK),
    ("a builder of musl", "3.13-slim-bookworm", "3.13-alpine"),
    ("the builder has another version", "3.13-slim-bookworm", "3.12-slim-bookworm"),
    ("the environment is lost", "COPY --from=builder /opt/venv /opt/venv\n", ""),
    ("the environment is elsewhere", "/opt/venv /opt/venv", "/opt/venv /venv"),
    ("PATH is lost", 'ENV PATH="/opt/venv/bin:$PATH"\nCOPY app', "COPY app"),
    ("a variable is lost", "ENV A=b\n", ""),
    ("a variable is new", "ENV A=b\n", "ENV A=b C=d\n"),
    ("the port is lost", "EXPOSE 80\n", ""),
    ("the user is lost", "USER 10001\n", ""),
    ("the user is another", "USER 10001\n", "USER nonroot\n"),
    ("another directory", f"{HERE}WORKDIR /app", f"{HERE}WORKDIR /"),
    ("no directory", f"{HERE}WORKDIR /app\n", HERE),
    ("the application is lost", "COPY app.py .\nENV A", "ENV A"),
    ("a label is new", "EXPOSE 80\n", "EXPOSE 80\nLABEL a=b\n"),
]  # fmt: skip
NODE_RICH = f'{BUILD}FROM node:22-slim\n{TAKE}{PROBE}CMD ["node", "server.js", "-a"]\n'
WRONG_NODE = [
    ("`node` is left", 'CMD ["server.js"', 'CMD ["node", "server.js"'),
    ("node by its path too", 'CMD ["server.js"', 'CMD ["/nodejs/bin/node", "server.js"'),
    ("the script is lost", '["server.js", "-a"]', '["-a"]'),
    ("ENTRYPOINT is cleared", 'CMD ["server.js"', 'ENTRYPOINT []\nCMD ["server.js"'),
    ("node is not in PATH", 'CMD ["server.js"', 'ENTRYPOINT ["node"]\nCMD ["server.js"'),
    ("shell-form CMD", 'CMD ["server.js", "-a"]', "CMD server.js -a"),
    ("the probe's node is not in PATH", '["/nodejs/bin/node", "probe', '["node", "probe'),
    ("the probe is another", '"probe.js"', '"b.js"'),
    ("another version", "nodejs22", "nodejs24"),
    ("another Debian", "nodejs22-debian13", "nodejs22-debian12"),
    ("the folder is made later", TAKE, "COPY --from=build /app /app\nWORKDIR /app\n"),
    ("the folder is lost", "COPY --from=build /app /app\n", ""),
    ("from the context", "--from=build /app", "/app"),
    ("the builder is another", "node:22-slim AS", "node:22-alpine AS"),
    ("the builder does more", "RUN npm ci\n", "RUN npm ci && npm test\n"),
    ("a link that nobody needs", "RUN npm ci\n", f"RUN npm ci\n{LINK}"),
]  # fmt: skip
WRONG = [("python", RICH, FLASK, *case) for case in WRONG_PYTHON]
WRONG += [("node", NODE_RICH, SERVER, *case) for case in WRONG_NODE]


def accepted(before: Snapshot) -> tuple[Change, str]:
    """Return the one change that is made to a Dockerfile, and the text after it."""
    found = snapshots.run(before, ID)
    assert len(found.steps) == 1
    return found.steps[0].change, found.snapshot.text


@pytest.mark.parametrize(
    ("before", "files", "old", "new"),
    [case[1:3] + case[4:] for case in WRONG],
    ids=[f"{case[0]}: {case[3]}" for case in WRONG],
)
def test_a_planted_wrong_version_is_seen(
    before: str, files: dict[str, str], old: str, new: str
) -> None:
    first = snapshot(before, files)
    change, text = accepted(first)
    head, found, tail = text.rpartition(old)
    assert found, text
    wrong = first.with_text(head + new + tail)
    assert verify(first.evidence, wrong.evidence, change.claims, change.assumes)
    right = first.with_text(text)
    assert verify(first.evidence, right.evidence, change.claims, change.assumes) is None


@pytest.mark.parametrize(("text", "files"), [(RICH, FLASK), (NODE_RICH, SERVER)])
def test_an_assumption_that_is_not_listed_is_seen(text: str, files: dict[str, str]) -> None:
    first = snapshot(text, files)
    change, after = accepted(first)
    wrong = first.with_text(after)
    for number in range(len(change.assumes)):
        fewer = change.assumes[:number] + change.assumes[number + 1 :]
        assert verify(first.evidence, wrong.evidence, change.claims, fewer)


def test_a_real_environment_finds_its_interpreter(tmp_path: Path) -> None:
    """The engine has another release of both images: the names are changed to those."""
    here, there = "python:3.11-slim", "gcr.io/distroless/python3-debian12"
    engine = start((here, there))
    script = "import json, sys\nprint(json.dumps([sys.prefix, sys.path[-1], sys.argv]))\n"
    files = {"app.py": script, "requirements.txt": ""}
    text = f'{VENV}{APP}CMD ["python", "app.py", "a b"]\n'.replace(
        "RUN pip install -r", "RUN wc -l"
    )
    seen = []
    for name, content in (("before", text), ("after", run(text, files).snapshot.text)):
        own = content.replace("3.13-slim-bookworm", "3.13-slim").replace("3.13", "3.11")
        folder = tmp_path / name
        folder.mkdir()
        for path, data in (files | {"Dockerfile": own.replace("debian13", "debian12")}).items():
            (folder / path).write_text(data)
        engine.build(f"dfr-distroless-{name}", folder)
        seen.append(json.loads(engine.docker("run", "--rm", f"dfr-distroless-{name}")))
        engine.docker("rmi", "-f", f"dfr-distroless-{name}")
    assert seen[0] == seen[1]
    assert seen[0][0] == "/opt/venv"
