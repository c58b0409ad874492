"""What a proof is made of, without an engine: programs, logs, contexts, replay, declarations."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

import pytest
from typer.testing import CliRunner

from refactor import cli, compose, engine
from refactor.batch import Wishes, task
from refactor.compose import State, everything, refactor
from refactor.config import Config
from refactor.context import MemoryContext
from refactor.decisions import Decided, Recall
from refactor.engine import Changed, Task, Unchanged, outcome
from refactor.model import Change, Claim, Effect, Phase, Safety, Transform
from refactor.project import Site
from refactor.proof import archive, asking, declaring, engines, processes, proving, trees
from refactor.proof.comparing import compare
from refactor.proof.differences import Group
from refactor.proof.engines import Engine, EngineError, Job
from refactor.proof.images import Defect, Image, Kind, Layer, Node, Settings
from refactor.proof.in_turn import prove_in_turn
from refactor.proof.processes import Ended, Say, Voice
from refactor.proof.proving import Plan, prove
from refactor.proof.replay import Decline, first_broken
from refactor.proof.results import Answer, Build, Question, Verdict
from refactor.proof.trees import lay
from refactor.proof.workshop import workshop
from refactor.snapshot import Snapshot
from refactor.source import Edit, Span
from refactor.syntax import parse

SILENT = Voice(lambda line: None, lambda line: None)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code)]


# Programs


def test_a_program_s_lines_are_passed_on_as_they_come() -> None:
    lines: list[str] = []
    code = "import sys; print('a'); sys.stderr.write('b\\r\\n'); sys.exit(3)"
    ended = processes.run(python(code), 20, say=lines.append)
    assert (ended.code, sorted(lines)) == (3, ["a", "b"])
    assert ended.text.split() in (["a", "b"], ["b", "a"])


def test_a_program_whose_time_is_up_is_ended_with_its_children(tmp_path: Path) -> None:
    code = f"""
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
        print("on", flush=True)
        time.sleep(60)
    """
    start = time.monotonic()
    ended = processes.run(python(code), 2)
    assert ended.code is None
    assert time.monotonic() - start < 15
    child = int((tmp_path / "pid").read_text())
    for _ in range(50):
        if not _lives(child):
            return
        time.sleep(0.1)
    pytest.fail("the child goes on")


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_what_a_program_prints_is_kept_only_to_a_limit() -> None:
    ended = processes.run(python("for _ in range(30000): print('y' * 1000)"), 60)
    assert ended.code == 0
    assert len(ended.text) <= 2 * processes.MAX_KEPT + 65536


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(processes.Absent, match="no-such-program"):
        processes.run(["no-such-program"], 5)


# Logs of builds


BUILDKIT = """#0 building with "default" instance
#5 [1/4] FROM docker.io/library/python:3.11
#5 CACHED
#6 [build 2/4] COPY requirements.txt .
#6 CACHED
#7 [build 3/4] RUN pip install -r requirements.txt
#7 1.234 Collecting flask
#7 ERROR: process "/bin/sh -c pip install" did not complete successfully: exit code: 1
ERROR: failed to solve: process did not complete
"""
CLASSIC = """STEP 1/3: FROM python:3.11
STEP 2/3: COPY . .
--> Using cache 12345
STEP 3/3: RUN make
make: *** No rule
Error: building at STEP "RUN make": exit status 2
"""


@pytest.mark.parametrize(
    ("text", "ran", "cached", "failed"),
    [
        (BUILDKIT, ("RUN pip install -r requirements.txt",), ("COPY requirements.txt .",),
         "RUN pip install -r requirements.txt"),
        (CLASSIC, ("RUN make",), ("COPY . .",), "RUN make"),
        ("ERROR: failed to read dockerfile\n", (), (), "the build"),
    ],
    ids=["buildkit", "podman", "no step"],
)  # fmt: skip
def test_a_build_s_log_says_what_ran(
    text: str, ran: tuple[str, ...], cached: tuple[str, ...], failed: str
) -> None:
    found = engines.read_log(processes.Ended(1, text, 2.0))
    assert (found.ran, found.cached, found.failed) == (ran, cached, failed)
    assert found.log[-1] == text.splitlines()[-1]
    good = engines.read_log(processes.Ended(0, text.replace("ERROR", "DONE"), 2.0))
    assert (good.failed, good.log) == ("", ())


def test_a_build_that_takes_too_long_says_so() -> None:
    found = engines.read_log(processes.Ended(None, BUILDKIT, 60.0))
    assert found.failed == "RUN pip install -r requirements.txt"
    assert found.log[-1] == "stopped after 60 s"


# Engines


def test_an_engine_that_nobody_knows_is_refused() -> None:
    with pytest.raises(EngineError, match="docker, podman, buildah"):
        engines.engine("kaniko")


def test_no_engine_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no container engine is installed: install"):
        engines.engine("", {"PATH": str(tmp_path)})
    with pytest.raises(EngineError, match="podman is not installed"):
        engines.engine("podman", {"PATH": str(tmp_path)})


def script(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_the_first_engine_that_answers_is_taken(tmp_path: Path) -> None:
    script(tmp_path, "docker", "echo 'Cannot connect to the daemon' >&2; exit 1")
    script(tmp_path, "podman", "echo '{}'")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert engines.engine("", environment).program == "podman"
    with pytest.raises(EngineError, match="docker does not answer: Cannot connect"):
        engines.engine("docker", environment)


def test_what_is_the_engine_s_fault_is_not_the_dockerfile_s(tmp_path: Path) -> None:
    script(tmp_path, "docker", '[ "$1" = version ] || { echo "no space left on device"; exit 1; }')
    found = engines.engine("docker", {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    with pytest.raises(EngineError, match="no space left for docker"):
        found.build("t", tmp_path, tmp_path / "Dockerfile", Job(), False, lambda line: None)
    script(tmp_path, "docker", "echo 'Cannot connect to the daemon'; exit 1")
    with pytest.raises(EngineError, match="does not answer"):
        found.build("t", tmp_path, tmp_path / "Dockerfile", Job(), False, lambda line: None)
    found.remove("t")
    assert found.left == ("t",)


def test_what_is_asked_for_is_passed_through(tmp_path: Path) -> None:
    script(tmp_path, "podman", f'echo "$@" >> {tmp_path}/calls')
    found = engines.engine("podman", {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    job = Job(("A=1",), ("id=s,src=/s",), "web", "linux/arm64", "host")
    found.build("t:1", tmp_path, tmp_path / "D", job, False, lambda line: None)
    call = (tmp_path / "calls").read_text().splitlines()[-1]
    assert call == (
        f"build --file {tmp_path}/D --tag t:1 --build-arg=A=1 --secret=id=s,src=/s --target=web "
        f"--platform=linux/arm64 --network=host --no-cache {tmp_path}"
    )


# Contexts to build from


def test_a_context_is_copied_and_the_original_left_alone(tmp_path: Path) -> None:
    source = tmp_path / "r"
    (source / "app" / "sub").mkdir(parents=True)
    (source / "app" / "Dockerfile").write_text("FROM a\n")
    (source / "app" / "sub" / "x").write_text("1")
    (source / "app" / "run.sh").write_text("#!/bin/sh\n")
    (source / "app" / "run.sh").chmod(0o755)
    (source / "app" / "link").symlink_to("/etc/passwd")
    os.mkfifo(source / "app" / "pipe")
    files = {"app/.dockerignore": "x\n", "app/run.sh": "#!/bin/sh\nexit\n", "other": "no\n"}
    laid = lay(source, "app", "app/Dockerfile", "FROM b\n", files, tmp_path / "t")
    assert laid.dockerfile == laid.context / "Dockerfile"
    assert laid.dockerfile.read_text() == "FROM b\n"
    assert (laid.context / ".dockerignore").read_text() == "x\n"
    assert (laid.context / "run.sh").stat().st_mode & 0o777 == 0o755
    assert os.readlink(laid.context / "link") == "/etc/passwd"
    assert not (laid.context / "pipe").exists()
    assert (laid.context / "sub" / "x").read_text() == "1"
    assert (source / "app" / "Dockerfile").read_text() == "FROM a\n"
    assert (source / "app" / "run.sh").read_text() == "#!/bin/sh\n"
    assert not (source / "app" / ".dockerignore").exists()


def test_a_dockerfile_outside_its_context_keeps_its_ignore_file(tmp_path: Path) -> None:
    source = tmp_path / "r"
    (source / "app").mkdir(parents=True)
    (source / "docker").mkdir()
    (source / "docker" / "web.Dockerfile").write_text("FROM a\n")
    (source / "docker" / "web.Dockerfile.dockerignore").write_text("y\n")
    laid = lay(source, "app", "docker/web.Dockerfile", "FROM b\n", {}, tmp_path / "t")
    assert laid.dockerfile.parent == tmp_path / "t"
    assert laid.dockerfile.read_text() == "FROM b\n"
    assert laid.dockerfile.with_name("web.Dockerfile.dockerignore").read_text() == "y\n"


# Questions


def test_what_an_image_lets_one_ask() -> None:
    settings = Settings({}, ports=frozenset({"8000/tcp", "53/udp", "80"}),
                        healthcheck=("CMD-SHELL", "curl -f localhost || exit 1"))  # fmt: skip
    assert list(map(str, asking.of_settings(settings))) == [
        "HEALTHCHECK /bin/sh -c 'curl -f localhost || exit 1'", "GET :80/", "GET :8000/",
    ]  # fmt: skip
    assert asking.of_settings(Settings({}, healthcheck=("NONE",))) == [asking.Request()]


@pytest.mark.parametrize("text", ["8000", ":8000/", "8000/a?b=c"])
def test_a_port_with_a_path_is_read(text: str) -> None:
    assert asking.read_http(text).port == 8000


@pytest.mark.parametrize("text", ["", "http", "0", "70000", "80/a b", "80\n", "80/\x1b[0m"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no port"):
        asking.read_http(text)


def test_a_command_is_read_as_a_shell_would() -> None:
    assert asking.read_command("python -c 'import a'").command == ("python", "-c", "import a")
    for wrong in ("", "a 'b"):
        with pytest.raises(ValueError, match="smoke"):
            asking.read_command(wrong)


@pytest.mark.parametrize(
    ("text", "found"),
    [("", "empty"), ('{"a": 1}', "json object"), ("[1]", "json list"), ("3", "text"),
     ("<!DOCTYPE html><p>", "html"), ("<HTML>", "html"), ("hello", "text"), ("[" * 9999, "text")],
)  # fmt: skip
def test_the_class_of_an_answer(text: str, found: str) -> None:
    assert asking.class_of(text) == found


# A fake engine: it builds what a text says, and saves a picture of it


FILES = {"Dockerfile": b"FROM debian:12\nRUN a\nRUN b\nRUN c\nRUN d\n", "app.py": b"1\n"}


class Fake(Engine):
    """Builds every text without the word `fail`; the image holds a file for each RUN."""

    def __init__(self) -> None:
        super().__init__("fake", runs=False)
        self.texts: dict[str, str] = {}
        self.builds: list[tuple[str, bool]] = []

    def check(self) -> None:
        pass

    def build(
        self, tag: str, folder: Path, dockerfile: Path, job: Job, cache: bool, say: Say
    ) -> Build:
        text = dockerfile.read_text()
        self.builds.append((text, cache))
        built = {line for other in self.texts.values() for line in other.splitlines()}
        self.texts[tag] = text
        self._made.append(tag)
        steps = tuple(line for line in text.splitlines() if line.startswith("RUN"))
        wrong = next((step for step in steps if "fail" in step), "")
        cached = tuple(step for step in steps if cache and step in built)
        ran = tuple(step for step in steps if step not in cached)
        return Build(1.0, ran, cached, wrong, ("oh",) if wrong else ())

    def save(self, tag: str, target: Path) -> None:
        target.write_text(self.texts[tag])

    def remove(self, tag: str) -> None:
        self._made[:] = [made for made in self._made if made != tag]


def picture(path: Path, packed: object = None) -> Image:
    """Read what the fake engine saved."""
    node = Node(Kind.FILE, 0o644, 0, 0, 1000, "d")
    lines = path.read_text().splitlines()
    tree = {f"/srv/{line[4:]}": node for line in lines if line.startswith("RUN")}
    user = next((line[5:] for line in lines if line.startswith("USER")), "")
    layer = Layer("l", "RUN", 10, 1000 * len(tree), len(tree), 0)
    return Image(Settings({}, user=user), (layer,), tree, frozenset(), frozenset())


def planted(name: str, old: str, new: str, *effects: Effect) -> Transform:
    """Return a transform that replaces one text by another, whatever comes of it."""

    def propose(snapshot: Snapshot, options: None) -> Iterator[Change]:
        at = snapshot.text.find(old)
        if at >= 0:
            claims = tuple(Claim(effect, frozenset({name})) for effect in effects)
            yield Change(f"{old!r} to {new!r}", (Edit(Span(at, at + len(old)), new),), claims)

    return Transform(name, f"{name}.", Phase.REPAIR, ("",), propose)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project on the disk, an engine that is none, and a verifier that lets all through."""
    monkeypatch.setattr(compose, "verify", lambda *args: None)
    monkeypatch.setattr(archive, "read", picture)
    project, work = tmp_path / "project", tmp_path / "work"
    for folder in (project, work):
        folder.mkdir()
    for name, data in FILES.items():
        (project / name).write_bytes(data)
    monkeypatch.setattr(tempfile, "tempdir", str(work))
    yield project
    assert list(work.iterdir()) == []
    assert (project / "Dockerfile").read_bytes() == FILES["Dockerfile"]


def plant(monkeypatch: pytest.MonkeyPatch, *transforms: Transform) -> None:
    monkeypatch.setattr(engine, "_chosen", lambda config, lowered: list(transforms))


GOOD = planted("good", "RUN a\n", "RUN a # ok\n", Effect.STAGES)
RENAMED = planted("renamed", "RUN c\n", "RUN e\n", Effect.STAGES)
WRONG = planted("wrong", "RUN b\n", "RUN fail\n", Effect.STAGES)
SILENTLY = planted("silently", "RUN d\n", "RUN x\n")
RELABELS = planted("relabels", "RUN a\nRUN b", "RUN a\nLABEL x=y\nRUN b", Effect.METADATA)


def test_what_does_not_build_as_it_is_is_not_ours(
    bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench / "Dockerfile").write_bytes(b"FROM debian:12\nRUN fail\nRUN c\n")
    plant(monkeypatch, RENAMED)
    found = prove(bench / "Dockerfile", Wishes(), Fake(), Plan(), SILENT).proof
    assert (found.verdict, found.before and found.before.failed) == (Verdict.BASELINE, "RUN fail")
    (bench / "Dockerfile").write_bytes(FILES["Dockerfile"])


def test_what_is_not_changed_is_not_built(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    fake = Fake()
    found = prove(bench / "Dockerfile", Wishes(), fake, Plan(), SILENT).proof
    assert (found.verdict, fake.builds) == (Verdict.UNCHANGED, [])


def test_what_is_declared_is_matched(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, RENAMED)
    fake = Fake()
    found = prove(bench / "Dockerfile", Wishes(), fake, Plan(), SILENT).proof
    assert found.verdict is Verdict.DECLARED
    assert [match.transform for match in found.matches] == ["renamed"]
    assert len(found.matches[0].found) == 2
    assert found.undeclared == ()
    assert [cache for _, cache in fake.builds] == [False, False]
    assert fake.left == ()


def test_what_differs_by_itself_is_looked_for_where_something_is_broken(
    bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The original is built once more for that: a file of it has another name each time."""

    class Restless(Fake):
        def save(self, tag: str, target: Path) -> None:
            name = hashlib.sha256(tag.encode()).hexdigest()[:12]
            target.write_text(f"{self.texts[tag]}RUN {name}\n")

    plant(monkeypatch, planted("user", "12\nRUN", "12\nUSER 1\nRUN", Effect.USER))
    fake = Restless()
    found = prove(bench / "Dockerfile", Wishes(), fake, Plan(), SILENT).proof
    assert found.verdict is Verdict.DECLARED
    assert found.comparison is not None
    assert found.comparison.noise == 2
    assert ["# built again" in text for text, _ in fake.builds] == [False, False, True]
    once = prove(bench / "Dockerfile", Wishes(), Restless(), Plan(twice=False), SILENT).proof
    assert once.verdict is Verdict.BROKEN


def test_both_images_are_scanned_as_they_are_saved(
    bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several builds, before and the last one after: others are not."""
    plant(monkeypatch, RENAMED, WRONG)
    seen: list[tuple[str, str, bool]] = []

    def scan(name: str, when: str, archive: Path) -> None:
        seen.append((Path(name).name, when, "RUN e" in archive.read_text()))

    plan = Plan(scan=scan)
    proving.keep_what_builds(bench / "Dockerfile", Wishes(), Fake(), plan, SILENT)
    assert seen[-2:] == [("Dockerfile", "before", False), ("Dockerfile", "after", True)]
    assert len(seen) == 3, "what did not build has no image"


HELD = """\
services:
  web:
    build:
      dockerfile_inline: |
        FROM debian:12
        RUN c
        RUN $$x
  db:
    build:
      dockerfile_inline: |
        FROM debian:12
        RUN b
        RUN c
"""


@pytest.fixture
def compose_file(bench: Path) -> Path:
    """A compose file with two Dockerfiles; a change of one of them does not build."""
    (bench / "compose.yaml").write_text(HELD)
    return bench / "compose.yaml"


def test_dockerfiles_in_a_compose_file_are_proved_one_by_one(
    compose_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, RENAMED, WRONG)
    seen: list[str] = []

    class Looking(Fake):
        def build(
            self, tag: str, folder: Path, dockerfile: Path, job: Job, cache: bool, say: Say
        ) -> Build:
            assert not dockerfile.is_relative_to(folder), "it is not in the context"
            seen.append((folder / "compose.yaml").read_text())
            return super().build(tag, folder, dockerfile, job, cache, say)

    fake = Looking()
    whole = task(compose_file, Wishes())
    assert isinstance(whole, Task)
    found = [*prove_in_turn(whole, lambda part: prove(part, Wishes(), fake, Plan(), SILENT))]
    verdicts = [(one.proof.path.partition("#")[2], one.proof.verdict) for one in found]
    assert verdicts == [("web", Verdict.DECLARED), ("db", Verdict.BROKEN)]
    assert "RUN $x" in fake.builds[0][0], "it is what an engine reads"
    wanted = HELD.replace("RUN c", "RUN e", 1)
    assert {text for text in seen if "# built again" not in text} == {
        HELD, wanted, wanted.replace("RUN b", "RUN fail").replace("RUN c", "RUN e"),
    }  # fmt: skip
    results = [one.result for one in found]
    assert isinstance(results[0], Changed)
    assert results[0].after.decode() == wanted, "what is not proved is not in it"
    assert isinstance(results[1], Unchanged)


def test_a_compose_file_that_is_refused_has_no_proof(
    compose_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, RENAMED)
    compose_file.write_text(HELD.replace("$$", "$"))
    whole = task(compose_file, Wishes())
    assert isinstance(whole, Task)
    (found,) = prove_in_turn(whole, lambda part: prove(part, Wishes(), Fake(), Plan(), SILENT))
    assert found.proof.verdict is Verdict.REFUSED
    assert "variables that compose fills in" in found.proof.reason


def test_what_only_metadata_changes_comes_from_the_cache(
    bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, RELABELS)
    fake = Fake()
    found = prove(bench / "Dockerfile", Wishes(), fake, Plan(), SILENT).proof
    assert found.verdict is Verdict.EQUIVALENT
    assert [cache for _, cache in fake.builds] == [False, True]


def test_a_change_that_does_not_build_is_found(
    bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, GOOD, RENAMED, WRONG, SILENTLY)
    found = prove(bench / "Dockerfile", Wishes(), Fake(), Plan(bisect=True), SILENT).proof
    assert (found.verdict, found.after and found.after.failed) == (Verdict.BROKEN, "RUN fail")
    assert found.cause is not None
    assert (found.cause.transform, found.cause.line) == ("wrong", 3)


def test_a_change_that_declares_nothing_is_found(
    bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, SILENTLY, planted("later", "RUN b\n", "RUN b #\n"))
    found = prove(bench / "Dockerfile", Wishes(), Fake(), Plan(bisect=True), SILENT).proof
    assert found.verdict is Verdict.BROKEN
    assert found.reason.startswith("no change declares this")
    assert found.cause is not None
    assert found.cause.transform == "silently"


def test_only_what_builds_is_kept(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(bisect=True)
    plant(monkeypatch, RENAMED, WRONG)
    kept = proving.keep_what_builds(bench / "Dockerfile", Wishes(), Fake(), plan, SILENT)
    assert isinstance(kept.result, engine.Changed)
    assert kept.result.after == FILES["Dockerfile"].replace(b"RUN c", b"RUN e")
    assert kept.proof.verdict is Verdict.DECLARED
    plant(monkeypatch, SILENTLY)
    kept = proving.keep_what_builds(bench / "Dockerfile", Wishes(), Fake(), plan, SILENT)
    assert isinstance(kept.result, engine.Unchanged)


def test_a_work_folder_in_the_context_is_no_part_of_it(
    bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = bench / "tmp"
    inside.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(inside))
    plant(monkeypatch, RENAMED)
    found = prove(bench / "Dockerfile", Wishes(), Fake(), Plan(), SILENT).proof
    assert found.verdict is Verdict.DECLARED
    assert list(inside.iterdir()) == []


def test_an_interrupt_leaves_nothing_behind(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, RENAMED)
    fake = Fake()

    def interrupted(line: str) -> None:
        if "after" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prove(bench / "Dockerfile", Wishes(), fake, Plan(), Voice(interrupted, interrupted))
    assert fake.left == ()


def test_a_syntax_line_can_be_left_out(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"# escape=`\n# syntax=docker/dockerfile:1\n" + FILES["Dockerfile"]
    (bench / "Dockerfile").write_bytes(text)
    plant(monkeypatch, RENAMED)
    for counts in (True, False):
        fake = Fake()
        plan = Plan(syntax=counts, twice=False)
        prove(bench / "Dockerfile", Wishes(), fake, plan, SILENT)
        assert all(text.startswith("# escape=`\n") for text, _ in fake.builds)
        assert all(("syntax" in text) is counts for text, _ in fake.builds)
    (bench / "Dockerfile").write_bytes(FILES["Dockerfile"])


@pytest.mark.parametrize("wrong", range(6))
def test_halving_finds_each_change(wrong: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where several changes of one transform were made at once."""
    monkeypatch.setattr(compose, "verify", lambda *args: None)
    text = "FROM a\n" + "".join(f"RUN {n}\n" for n in range(3))

    def three(snapshot: Snapshot, options: None) -> Iterator[Change]:
        for n in range(3):
            at = snapshot.text.find(f"RUN {n}\n")
            if at >= 0:
                yield Change(f"{n}", (Edit(Span(at + 4, at + 5), f"x{n}"),))

    transforms = [
        planted("one", "FROM a\n", "FROM b\n"),
        Transform("many", "Many.", Phase.REPAIR, ("",), three),
        planted("two", "FROM b\n", "FROM c\n"),
        planted("three", "FROM c\n", "FROM d\n"),
    ]
    found = refactor(Snapshot(PurePath("D"), text, parse(text)), transforms, Safety.RISKY)
    assert len(found.steps) == 6
    reached = ["FROM [bcd]", "RUN x0", "RUN x1", "RUN x2", "FROM [cd]", "FROM d"]
    seen: list[State] = []

    def broken(state: State) -> bool:
        seen.append(state)
        return re.search(reached[wrong], state.text) is not None

    cause = first_broken(found, broken)
    assert cause is not None
    assert cause[0].reason == [step.change.reason for step in found.steps][wrong]
    assert len(seen) <= 4


def test_what_is_declined_is_not_made() -> None:
    text = "from debian\nRUN apt-get install curl\n"
    tree = MemoryContext({"Dockerfile": text.encode()})
    config = Config(level=Safety.RISKY, select=("assume-yes", "unify-instruction-case"))
    _, full = outcome("Dockerfile", parse(text), config, Site(tree), everything)
    step = next(step for step in full.steps if step.transform.id == "assume-yes")
    assert step.identity is not None
    decline = Decline(frozenset({step.identity.site}))
    _, less = outcome("Dockerfile", parse(text), config, Site(tree), decline)
    assert [step.transform.id for step in less.steps] == ["unify-instruction-case"]
    both = Decline(decline.sites, Recall(Decided()))
    assert not outcome("Dockerfile", parse(text), config, Site(tree), both)[1].steps


# What is declared


def image(files: dict[str, Node], **settings: object) -> Image:
    return Image(Settings({}, **settings), (), files, frozenset(), frozenset())  # type: ignore[arg-type]


FILE = Node(Kind.FILE, 0o644, 0, 0, 10, "a")
MODULES = "/srv/.venv/lib/python3.12/site-packages/a"


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        ({"/var/lib/apt/lists/x_Packages": FILE}, {}, Effect.CACHES),
        ({"/usr/bin/gcc": FILE}, {}, Effect.PACKAGES),
        ({"/srv/main.go": FILE}, {}, Effect.STAGES),
        ({"/srv/.git/config": FILE}, {}, Effect.FILES),
        ({}, {f"{MODULES}/__pycache__/a.cpython-312.pyc": FILE}, Effect.FILES),
        ({"/srv/data": FILE}, {"/srv/data": FILE._replace(uid=10001)}, Effect.USER),
        ({"/etc/passwd": FILE}, {"/etc/passwd": FILE._replace(digest="b")}, Effect.USER),
        ({"/usr/lib/libc.so": FILE}, {"/usr/lib/libc.so": FILE._replace(digest="b")}, Effect.BASE),
    ],
)
def test_a_difference_is_declared_by_its_effect_alone(
    before: dict[str, Node], after: dict[str, Node], effect: Effect
) -> None:
    found = compare(image(before), image(after))
    change = Change("r", (), (Claim(effect, frozenset({"x"})),))
    matches, undeclared = declaring.match([("t", change)], found)
    assert (len(matches[0].found), undeclared) == (1, ())
    other = Change("r", (), (Claim(Effect.LAYERS, frozenset({"x"})),))
    assert len(declaring.match([("t", other)], found)[1]) == 1


def test_only_compiled_modules_are_added_by_a_change_of_files() -> None:
    found = compare(image({}), image({f"{MODULES}/__init__.py": FILE}))
    change = Change("r", (), (Claim(Effect.FILES, frozenset({"x"})),))
    assert len(declaring.match([("t", change)], found)[1]) == 1


def test_settings_are_declared_one_by_one() -> None:
    found = compare(image({}, user="", cmd=("a",)), image({}, user="1", cmd=("b",)))
    change = Change("r", (), (Claim(Effect.USER, frozenset({"x"})),))
    _, undeclared = declaring.match([("t", change)], found)
    assert len(undeclared) == 1
    assert undeclared[0].startswith("cmd")


def test_the_shell_of_commands_is_declared_with_them() -> None:
    found = compare(image({}), image({}, shell=("/bin/bash", "-o", "pipefail", "-c")))
    for line, count in (("shell /bin/bash -o pipefail -c", 0), ("- sudo make", 1)):
        change = Change("r", (), (Claim(Effect.COMMANDS, frozenset({line})),))
        assert len(declaring.match([("t", change)], found)[1]) == count


@pytest.mark.parametrize(
    ("path", "is_there", "effect", "harms"),
    [("/usr/bin/a", True, Effect.STAGES, True), ("/usr/bin/a", False, Effect.BASE, False),
     ("/usr/bin/a", True, Effect.PACKAGES, False), ("/srv/a", False, Effect.PACKAGES, True),
     ("/opt/venv/lib/python3.11/site-packages/a.so", False, Effect.PACKAGES, True)],
)  # fmt: skip
def test_what_is_only_recommended_may_go_and_nothing_else(
    path: str, is_there: bool, effect: Effect, harms: bool
) -> None:
    before = image({path: FILE} if is_there else {})
    after = replace(image({path: FILE}), defects=frozenset({Defect("library", path, "x.so")}))
    found = compare(before, after)
    assert (declaring.harmful(found, {effect}) == found.defects_added) is harms
    change = Change("r", (), (Claim(effect, frozenset({"x"})),))
    declared = declaring.match([("t", change)], found)[1]
    assert any(sentence.startswith("library") for sentence in declared) is harms


def test_an_entry_point_without_its_program_is_harm_however_it_came() -> None:
    defect = Defect("entrypoint", "/usr/bin/a", "it is not there")
    after = replace(image({"/usr/bin/a": FILE}), defects=frozenset({defect}))
    assert declaring.harmful(compare(image({}), after), set(Effect)) == {defect}


def test_an_application_s_file_is_nobody_s_to_change() -> None:
    found = compare(image({"/srv/a": FILE}), image({"/srv/a": FILE._replace(digest="b")}))
    assert found.files[0].group is Group.APPLICATION
    for effect in (Effect.USER, Effect.CACHES, Effect.PACKAGES, Effect.LAYERS, Effect.FILES):
        change = Change("r", (), (Claim(effect, frozenset({"x"})),))
        assert declaring.match([("t", change)], found)[1], effect


# The command line


def test_without_an_engine_the_error_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN apt-get install curl\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(cli.app, ["prove", str(tmp_path)])
    assert result.exit_code == 2
    assert "install Docker Engine" in result.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--http", "x"], "no port"),
        (["--smoke", ""], "--smoke needs a command"),
        (["--format", "yaml"], "there are text"),
        (["--engine", "rkt"], "docker, podman, buildah"),
        (["--select", "no-such"], "no transform is called"),
        (["nowhere"], "no such file"),
    ],
)
def test_a_wrong_use_is_an_error(words: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\n")
    paths = [] if "nowhere" in words else [str(tmp_path)]
    result = CliRunner().invoke(cli.app, ["prove", *words, *paths])
    assert result.exit_code == 2
    assert says in result.output


def test_an_interrupted_proof_says_so_and_ends_with_2(tmp_path: Path) -> None:
    """A real process, a real signal, and an engine that hangs."""
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN apt-get install curl\n")
    tools, work = tmp_path / "bin", tmp_path / "work"
    tools.mkdir()
    work.mkdir()
    script(tools, "docker", f'[ "$1" = build ] && {{ echo > {tools}/on; sleep 60; }}; exit 0')
    environment = {**os.environ, "PATH": f"{tools}:/usr/bin:/bin", "TMPDIR": str(work)}
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen(
            [sys.executable, "-m", "refactor.cli", "prove", str(tmp_path)], env=environment,
            stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent,
        )  # fmt: skip
        for _ in range(200):
            if (tools / "on").exists():
                break
            time.sleep(0.05)
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 2, said
        assert "interrupted; nothing is left behind" in said
        assert list(work.iterdir()) == []
        (tools / "on").unlink()


# What a review found


def test_a_folder_that_is_a_link_does_not_lead_to_the_original(
    bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = bench.parent / "shared"
    shared.mkdir()
    (shared / "Dockerfile").write_bytes(FILES["Dockerfile"])
    (bench / "docker").symlink_to(shared)
    plant(monkeypatch, RENAMED)
    wishes = Wishes(roots=(bench,), context=bench)
    found = prove(bench / "docker" / "Dockerfile", wishes, Fake(), Plan(), SILENT).proof
    assert found.verdict is Verdict.DECLARED
    assert (shared / "Dockerfile").read_bytes() == FILES["Dockerfile"]


@pytest.mark.parametrize("edited", ["/etc/hostname", "../other", "nowhere.py", "link/a"])
def test_only_a_file_of_the_context_is_edited(
    bench: Path, monkeypatch: pytest.MonkeyPatch, edited: str
) -> None:
    (bench.parent / "other").write_text("o")
    (bench.parent / "a").write_text("a")
    (bench / "link").symlink_to(bench.parent)
    plant(monkeypatch, RENAMED)
    with pytest.raises(EngineError, match="a file of the build context"):
        prove(bench / "Dockerfile", Wishes(), Fake(), Plan(edited=edited), SILENT)
    assert (bench.parent / "other").read_text() == "o"
    assert (bench.parent / "a").read_text() == "a"


def test_an_edited_file_keeps_its_mode_and_the_original_its_content(
    bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench / "run.sh").write_text("#!/bin/sh\n")
    (bench / "run.sh").chmod(0o755)
    plant(monkeypatch, RENAMED)
    modes: list[tuple[int, str]] = []

    class Looking(Fake):
        def build(self, tag: str, folder: Path, *rest: Any) -> Build:
            file = folder / "run.sh"
            modes.append((file.stat().st_mode & 0o777, file.read_text()))
            return super().build(tag, folder, *rest)

    numbers = iter((7, 8))
    monkeypatch.setattr(trees, "randrange", lambda *range: next(numbers))
    prove(bench / "Dockerfile", Wishes(), Looking(), Plan(edited="run.sh"), SILENT)
    edited = {text for _, text in modes} - {"#!/bin/sh\n"}
    assert {text.rstrip("\n") for text in edited} == {"#!/bin/sh"}
    assert len(edited) == 2, "of an edit that was built before, nothing would run"
    assert {mode for mode, _ in modes} == {0o755}
    assert (bench / "run.sh").read_text() == "#!/bin/sh\n"


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        (Answer(200, "html"), Answer(200, "html"), True),
        (Answer(200, "html"), Answer(200, "text"), False),
        (Answer(200, "html"), Answer(None, "", "refused"), False),
        (Answer(1, "", "no database"), Answer(2, "", "no database, still"), True),
        (Answer(1, "", "no database"), Answer(127, "", "app: not found"), False),
        (Answer(None, "", "refused"), Answer(None, "", "no such file", is_started=False), False),
        (Answer(127, "", "not found"), Answer(None, "", "", is_started=False), True),
    ],
)
def test_which_answers_are_kept(before: Answer, after: Answer, kept: bool) -> None:
    assert Question("q", before, after).is_kept is kept


class Flaky(Fake):
    """Fails the builds of some numbers."""

    def __init__(self, *numbers: int) -> None:
        super().__init__()
        self.numbers = numbers

    def build(self, *words: Any) -> Build:
        found = super().build(*words)
        return found._replace(failed="RUN a") if len(self.builds) in self.numbers else found


def test_a_build_that_fails_once_is_made_again(
    bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, RENAMED)
    found = prove(bench / "Dockerfile", Wishes(), Flaky(2), Plan(bisect=True), SILENT)
    assert (found.proof.verdict, found.cause) == (Verdict.DECLARED, None)


def test_an_original_that_builds_only_sometimes_proves_nothing(
    bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, WRONG)
    found = prove(bench / "Dockerfile", Wishes(), Flaky(3), Plan(), SILENT).proof
    assert found.verdict is Verdict.BASELINE
    assert "each time" in found.reason


def test_warnings_do_not_hide_what_an_engine_says(tmp_path: Path) -> None:
    script(tmp_path, "docker", "echo 'WARNING: {odd}' >&2; echo '{\"State\": {\"Pid\": 1}}'")
    found = engines.engine("docker", {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert found.state("c") == {"State": {"Pid": 1}}
    script(tmp_path, "docker", "echo nonsense")
    with pytest.raises(EngineError, match="nonsense"):
        found.state("c")


def test_a_client_that_is_too_old_is_no_fault_of_the_dockerfile(tmp_path: Path) -> None:
    script(tmp_path, "docker", "[ $1 = version ] || { echo 'unknown flag: --load'; exit 125; }")
    found = engines.engine("docker", {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    with pytest.raises(EngineError, match="unknown flag: --load"):
        found.build("t", tmp_path, tmp_path / "D", Job(), False, lambda line: None)


@pytest.mark.parametrize(
    ("network", "known", "asked"),
    [
        ("none", False, ["after", "before"]),
        ("none", True, ["after"]),
        ("host", False, ["before", "after"]),
    ],
)
def test_an_original_is_asked_once_and_beside_what_comes_of_it(
    network: str, known: bool, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where both are asked at once, the second answers first; on one network they take turns."""
    seen: list[str] = []
    answered = threading.Event()

    def answer(self: Any, requests: list[asking.Request]) -> list[Answer]:
        if self.tag == "before" and network == "none":
            assert answered.wait(10)
        seen.append(self.tag)
        answered.set()
        return [Answer(0, self.tag) for _ in requests]

    monkeypatch.setattr(asking._Asked, "all", answer)
    (found,) = asking.ask(
        Fake(), "before", "after", [asking.Request()], asking.Wishes(network=network),
        [Answer(0, "before")] if known else (),
    )  # fmt: skip
    assert seen == asked
    assert (found.before.body, found.after.body) == ("before", "after")


def test_a_container_that_a_thread_left_is_removed_at_the_end() -> None:
    removed: list[str] = []

    class Leaving(Fake):
        def remove_container(self, name: str) -> None:
            removed.append(name)
            self._forget(f"container {name}", "true")

        def _call(self, *words: str, **options: Any) -> Ended:
            return Ended(0, "", 0)

    fake = Leaving()
    with workshop(fake):
        fake._made.extend(("dfr-proof-a:1", "container dfr-proof-b"))
    assert (removed, fake.left) == (["dfr-proof-b"], ())


def test_a_full_folder_for_images_is_named(tmp_path: Path) -> None:
    script(tmp_path, "docker", "[ $1 = version ] || { echo 'no space left on device'; exit 1; }")
    found = engines.engine("docker", {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    with pytest.raises(EngineError, match="TMPDIR"):
        found.save("t", tmp_path / "x.tar")


def test_ranges_and_other_protocols_are_not_asked() -> None:
    settings = Settings({}, ports=frozenset({"8000-8010/tcp", "90/sctp", "53/udp", "80/tcp"}))
    assert list(map(str, asking.of_settings(settings))) == ["GET :80/"]


def test_steps_of_another_platform_are_read() -> None:
    text = "#7 [linux/arm64 build 2/4] RUN make\n#8 [linux/arm64 stage-1 3/4] COPY a b\n#8 CACHED\n"
    found = engines.read_log(processes.Ended(0, text, 1.0))
    assert (found.ran, found.cached) == (("RUN make",), ("COPY a b",))


def test_a_base_image_of_others_is_still_one_when_it_is_proved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `dfr fix` leaves alone because others start from it, `dfr prove` leaves alone too."""
    for name, first in (("common", "debian:12"), ("app", "org/common:1")):
        (tmp_path / name).mkdir()
        text = f"FROM {first}\nCOPY a /a\nCMD /a\n"
        (tmp_path / name / "Dockerfile").write_text(text)
        (tmp_path / name / "a").write_text("")
    seen: list[frozenset[str]] = []

    def looking(path: Path, wishes: Wishes, *rest: object) -> proving.Proven:
        seen.append(wishes.references)
        raise EngineError("enough")

    monkeypatch.setattr(proving, "prove", looking)
    monkeypatch.setattr(engines, "engine", lambda name: Fake())
    result = CliRunner().invoke(cli.app, ["prove", "-q", str(tmp_path)])
    assert (result.exit_code, seen) == (2, [frozenset({"common", "debian"})])


def test_what_was_proved_is_reported_though_the_engine_fails_later(
    bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench / "b").mkdir()
    (bench / "b" / "Dockerfile").write_bytes(FILES["Dockerfile"])
    plant(monkeypatch)
    monkeypatch.setattr(engines, "engine", lambda name: Fake())
    first = proving.prove
    count = iter(range(9))

    def failing(*words: Any) -> proving.Proven:
        if next(count):
            raise EngineError("it went away")
        return first(*words)

    monkeypatch.setattr(proving, "prove", failing)
    words = ["prove", "-q", "--format", "json", "--output", str(bench / "p.json"), str(bench)]
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 2
    assert "it went away" in result.output
    assert (bench / "p.json").read_text().count('"verdict"') == 1


def test_a_wrong_configuration_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\n")
    (tmp_path / ".dockerfile-refactor.toml").write_text("levle = 1\n")
    monkeypatch.setattr(engines, "engine", lambda name: Fake())
    result = CliRunner().invoke(cli.app, ["prove", "-q", str(tmp_path)])
    assert (result.exit_code, "unknown key" in result.output) == (2, True)


def test_standard_input_cannot_be_proved() -> None:
    result = CliRunner().invoke(cli.app, ["fix", "--prove", "-"], input="FROM debian\n")
    assert (result.exit_code, "stands alone" in result.output) == (2, True)


def test_what_a_context_may_not_show_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "r"
    (source / "data").mkdir(parents=True)
    (source / "Dockerfile").write_text("FROM a\n")
    real = os.scandir

    def scandir(path: Path) -> Any:
        if Path(path).name == "data":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    laid = lay(source, "", "Dockerfile", "FROM b\n", {}, tmp_path / "t")
    assert (laid.context / "data").is_dir()
    assert laid.dockerfile.read_text() == "FROM b\n"


def test_a_registry_that_does_not_answer_is_no_fault_of_a_change(
    bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, WRONG)

    class Offline(Fake):
        def build(self, *words: Any) -> Build:
            found = super().build(*words)
            said = "ERROR: failed to do request: Head x: dial tcp: lookup x: no such host"
            return found._replace(log=(said,)) if found.failed else found

    with pytest.raises(EngineError, match=r"could not be fetched: .*no such host"):
        prove(bench / "Dockerfile", Wishes(), Offline(), Plan(), SILENT)
