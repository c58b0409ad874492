"""Proofs on a real engine: planted failures are found, and nothing is left behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent

import pytest

from refactor import compose
from refactor import engine as refactoring
from refactor.batch import Wishes
from refactor.model import Change, Claim, Effect, Phase, Transform
from refactor.proof import asking, engines
from refactor.proof.asking import Request
from refactor.proof.engines import EngineError, Job
from refactor.proof.processes import Voice
from refactor.proof.proving import Plan, prove
from refactor.proof.results import Proof, Verdict
from refactor.snapshot import Snapshot
from refactor.source import Edit, Span
from tests.engine import Engine, start

ROOT = Path(__file__).parent.parent
JOB = Job(network="none", seconds=300)
ASKS = asking.Wishes(seconds=4, grace=1)


@pytest.fixture(scope="module")
def engine() -> Engine:
    """A running engine with small images."""
    return start(("debian:bookworm-slim", "busybox:latest"))


@pytest.fixture
def docker(engine: Engine) -> Iterator[engines.Engine]:
    """Our own interface to it; afterwards nothing of ours may be left, but what others left."""
    before = left(engine)
    found = engines.engine("docker", engine.environment)
    yield found
    assert found.left == ()
    assert left(engine) == before


def left(engine: Engine) -> str:
    """Return the images and containers of proofs that are still there."""
    images = engine.docker("images", "--quiet", "--filter", "reference=dfr-proof-*")
    return images + engine.docker("ps", "--all", "--quiet", "--filter", "name=dfr-proof-")


def lines(*edits: tuple[str, str, str]) -> list[Transform]:
    """Return transforms that replace one text by another, and claim a change of stages."""
    return [_line(*edit) for edit in edits]


def _line(name: str, old: str, new: str) -> Transform:
    def propose(snapshot: Snapshot, options: None) -> Iterator[Change]:
        at = snapshot.text.find(old)
        if at >= 0:
            effects = (Effect.STAGES, Effect.METADATA)
            claims = tuple(Claim(effect, frozenset({name})) for effect in effects)
            yield Change(f"{old!r} to {new!r}", (Edit(Span(at, at + len(old)), new),), claims)

    return Transform(name, f"{name}.", Phase.REPAIR, ("",), propose)


COMMON = (("one", "LABEL a=1\n", "LABEL a=2\n"), ("two", "LABEL b=1\n", "LABEL b=2\n"))
LATER = (("three", "LABEL c=1\n", "LABEL c=2\n"), ("four", "LABEL d=1\n", "LABEL d=2\n"))
LABELS = "LABEL a=1\nLABEL b=1\nLABEL c=1\nLABEL d=1\n"


def proof(
    docker: engines.Engine, folder: Path, monkeypatch: pytest.MonkeyPatch,
    edit: tuple[str, str, str], plan: Plan,
) -> Proof:  # fmt: skip
    """Prove a folder's Dockerfile with a planted change among four that do no harm."""
    planted = lines(*COMMON, edit, *LATER)
    monkeypatch.setattr(refactoring, "_chosen", lambda config, lowered: planted)
    monkeypatch.setattr(compose, "verify", lambda *args: None)
    said: list[str] = []
    voice = Voice(said.append, said.append)
    found = prove(folder / "Dockerfile", Wishes(), docker, plan, voice).proof
    assert len(found.changes) == 5, "\n".join(said)
    return found


def write(folder: Path, dockerfile: str, **files: str) -> None:
    (folder / "Dockerfile").write_text(dockerfile + LABELS)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)


def is_found(found: Proof, name: str) -> None:
    """Check that a proof is broken, and by which change."""
    assert found.verdict is Verdict.BROKEN
    assert found.cause is not None
    assert found.cause.transform == name


def test_a_missing_manifest(
    docker: engines.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = "COPY needs.txt .\n"
    write(tmp_path, f"FROM busybox:latest\n{copied}RUN wc needs.txt\n", needs_txt="x\n")
    edit = ("forgetful", copied, "")
    found = proof(docker, tmp_path, monkeypatch, edit, Plan(JOB, ASKS, bisect=True))
    is_found(found, "forgetful")
    assert found.after is not None
    assert found.after.failed == "RUN wc needs.txt"
    assert any("needs.txt" in line for line in found.after.log)


def test_a_wrong_owner(
    docker: engines.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = 'CMD ["sh", "-c", "echo x > /data/x && exec sleep 60"]\n'
    write(tmp_path, f"FROM busybox:latest\nRUN mkdir /data\n{starts}")
    edit = ("unprivileged", "/data\nCMD", "/data\nUSER 1000\nCMD")
    found = proof(docker, tmp_path, monkeypatch, edit, Plan(JOB, ASKS, bisect=True))
    is_found(found, "unprivileged")
    (question,) = found.questions
    assert (question.before.body, question.before.uid) == ("goes on", 0)
    assert "Permission denied" in question.after.error


def test_a_removed_library(
    docker: engines.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is seen in the files alone: no container is started."""
    (tmp_path / "libours.c").write_text("int ours(void) { return 7; }\n")
    (tmp_path / "app.c").write_text("int ours(void); int main(void) { return ours() - 7; }\n")
    for command in (
        ["gcc", "-shared", "-fPIC", "-Wl,-soname,libours.so", "-o", "libours.so", "libours.c"],
        ["gcc", "-o", "app", "app.c", "-L.", "-lours"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True)
    copied = "COPY libours.so /usr/lib/\n"
    write(tmp_path, f'FROM debian:bookworm-slim\n{copied}COPY app /usr/bin/\nCMD ["app"]\n')
    edit = ("tidy", copied, "")
    plan = Plan(JOB, bisect=True, silent=True)
    found = proof(docker, tmp_path, monkeypatch, edit, plan)
    is_found(found, "tidy")
    assert "library /usr/bin/app" in found.reason
    assert "libours.so" in found.reason


def test_a_health_check_without_its_program(
    docker: engines.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = "HEALTHCHECK CMD ask http://localhost/\n"
    copied = "COPY --chmod=755 ask /usr/bin/\n"
    write(tmp_path, f"FROM debian:bookworm-slim\n{copied}{check}CMD sleep 60\n", ask="#!/bin/sh\n")
    edit = ("smaller", copied, "")
    found = proof(docker, tmp_path, monkeypatch, edit, Plan(JOB, ASKS, bisect=True))
    is_found(found, "smaller")
    assert found.comparison is not None
    assert {defect.kind for defect in found.comparison.defects_added} == {"healthcheck"}
    assert "HEALTHCHECK" in found.questions[0].text
    assert found.questions[0].before.status == 0
    assert found.questions[0].after.error


def test_a_page_is_asked_for_without_a_network(
    docker: engines.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = 'CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]\n'
    write(tmp_path, f"FROM busybox:latest\nCOPY index.html /www/\nEXPOSE 8000\n{starts}",
          index_html="<!doctype html><p>hello")  # fmt: skip
    edit = ("other-port", '"8000"', '"8001"')
    requests = (Request(8000), Request(command=("ls", "/www")))
    plan = Plan(JOB, ASKS, requests, edited="index.html", together=True, bisect=True)
    found = proof(docker, tmp_path, monkeypatch, edit, plan)
    is_found(found, "other-port")
    page, command = found.questions
    assert (page.before.status, page.before.body) == (200, "html")
    assert "refused" in page.after.error.lower()
    assert command.is_kept
    assert command.before.text == "index.html\n"
    assert found.rebuild is not None
    copied = ("COPY index.html /www/",)
    assert (found.rebuild.before.ran, found.rebuild.after.ran) == (copied, copied)


def test_the_command_line_writes_what_is_proved(
    engine: Engine, docker: engines.Engine, tmp_path: Path
) -> None:
    write(tmp_path, "FROM busybox:latest\nENV A 1\nRUN true\nRUN echo x > /x\nCMD true\n")
    environment = {**os.environ, **engine.environment}
    result = subprocess.run(
        [sys.executable, "-m", "refactor.cli", "prove", "--write", "--network=none", str(tmp_path)],
        env=environment, capture_output=True, text=True, cwd=ROOT, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "ENV A=1" in (tmp_path / "Dockerfile").read_text()
    assert "equivalent" in result.stdout
    again = subprocess.run(
        [sys.executable, "-m", "refactor.cli", "fix", "--prove", str(tmp_path)],
        env=environment, capture_output=True, text=True, cwd=ROOT, timeout=300,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "nothing to change" in again.stderr


def test_a_dockerfile_in_a_compose_file_is_kept_as_far_as_it_is_proved(
    engine: Engine, docker: engines.Engine, tmp_path: Path
) -> None:
    """The file itself is in the image, too: that it is another one is no difference."""
    text = "FROM busybox:latest\nENV A $$B\nCOPY compose.yaml /\nCMD true\n"
    held = "services:\n  web:\n    build:\n      dockerfile_inline: |\n" + indent(text, " " * 8)
    (tmp_path / "compose.yaml").write_text(held)
    result = subprocess.run(
        [sys.executable, "-m", "refactor.cli", "fix", "--prove", str(tmp_path)],
        env={**os.environ, **engine.environment}, capture_output=True, text=True, cwd=ROOT,
        timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "#web: equivalent: the images hold the same; answers kept: 1" in result.stderr
    assert (tmp_path / "compose.yaml").read_text() == held.replace("A $$B", "A=$$B")


@pytest.mark.parametrize(
    ("number", "step", "said_by_then"),
    [
        (signal.SIGINT, "sleep 20", "RUN sleep"),
        (signal.SIGTERM, "sleep 20", "RUN sleep"),
        (signal.SIGKILL, "sleep 20", "RUN sleep"),
        (signal.SIGINT, "true", "asking both"),
    ],
)
def test_stopped_in_the_middle(
    engine: Engine, docker: engines.Engine, tmp_path: Path, number: signal.Signals, step: str,
    said_by_then: str,
) -> None:  # fmt: skip
    """A signal leaves nothing behind; SIGKILL, which nobody can handle, an image at most."""
    write(tmp_path, f"FROM busybox:latest\nRUN {step}\nENV A 1\nCMD sleep 60\n")
    work = tmp_path / "work"
    work.mkdir()
    environment = {**os.environ, **engine.environment, "TMPDIR": str(work)}
    process = subprocess.Popen(
        [sys.executable, "-m", "refactor.cli", "prove", "--network", "none", "-v",
         str(tmp_path / "Dockerfile")],
        env=environment, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if said_by_then in line:
            break
    time.sleep(0.5)  # in the middle of it
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    if number is signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
        shutil.rmtree(work)
        return
    assert process.returncode == 2, said
    assert "interrupted; nothing is left behind" in said
    assert list(work.iterdir()) == []


def test_a_full_disk(docker: engines.Engine, tmp_path: Path) -> None:
    """A small file system for temporary files: a message, nothing left, exit status 2."""
    write(tmp_path, "FROM debian:bookworm-slim\nENV A 1\nRUN true\n")
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a file system cannot be mounted here")
    try:
        environment = {**os.environ, **(docker.environment or {}), "TMPDIR": str(small)}
        result = subprocess.run(
            [sys.executable, "-m", "refactor.cli", "prove", "--network", "none", str(tmp_path)],
            env=environment, capture_output=True, text=True, cwd=ROOT, timeout=300,
        )  # fmt: skip
        assert result.returncode == 2, result.stderr
        assert "no space left" in result.stderr
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_an_engine_that_goes_away(tmp_path: Path, engine: Engine) -> None:
    """A proxy of the daemon's socket stands for the daemon, which others use: it is killed."""
    write(tmp_path, "FROM busybox:latest\nRUN sleep 20\nENV A 1\n")
    real = engine.environment["DOCKER_HOST"].removeprefix("unix://")
    socket = tmp_path / "docker.sock"
    code = (
        "import socket, sys, threading, shutil\n"
        "def copy(a, b):\n"
        "    while data := a.recv(65536): b.sendall(data)\n"
        "    b.shutdown(socket.SHUT_WR)\n"
        "server = socket.socket(socket.AF_UNIX); server.bind(sys.argv[1]); server.listen(50)\n"
        "while True:\n"
        "    a, _ = server.accept(); b = socket.socket(socket.AF_UNIX); b.connect(sys.argv[2])\n"
        "    for pair in ((a, b), (b, a)): threading.Thread(target=copy, args=pair, daemon=True)"
        ".start()\n"
    )
    daemon = subprocess.Popen([sys.executable, "-c", code, str(socket), real])
    try:
        while not socket.exists():
            time.sleep(0.05)
        environment = {**engine.environment, "DOCKER_HOST": f"unix://{socket}"}
        docker = engines.engine("docker", environment)

        def log(line: str) -> None:
            if "RUN sleep" in line:
                daemon.kill()

        with pytest.raises(EngineError, match="does not answer"):
            prove(tmp_path / "Dockerfile", Wishes(), docker, Plan(JOB), Voice(log, log))
        assert docker.left
    finally:
        daemon.kill()
        daemon.wait()
