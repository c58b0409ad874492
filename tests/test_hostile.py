"""The command line over inputs that are broken, huge or meant to harm: it harms nothing.

The inputs are the folder `bad` of the corpus (DFR_CORPUS); each is explained in its README.tsv.
"""

from __future__ import annotations

import csv
import multiprocessing
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from refactor import cli
from refactor.commands import fixing
from refactor.registry import entries
from refactor.write import Files, Unwritable, write

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "__main__",  # or each process would read pytest's, and this file, for itself
        "tests.test_hostile",
        "refactor.cli",
        "dockerfile_parse",
        "e2b_dockerfile_utils",
        "tree_sitter_bash",
        "ruamel.yaml",
        *(entry.module for entry in entries()),
    ]
)
RISKY = ("--level", "risky", "--select", "all")
HUGE = "lines-20k.Dockerfile"
MAX_SECONDS = 10
SAID = re.compile(r"\d+ files? (?:would be )?changed \(\d+ changes?\), \d+ unchanged")
REFUSED = re.compile(r": refused: \S")
KEY = b"FROM scratch\nMAINTAINER a\n"
MENDED = b'FROM scratch\nLABEL org.opencontainers.image.authors="a"\n'


@dataclass(frozen=True)
class Ended:
    """How a run of the command line ended; `seconds` are those of the processor."""

    code: int
    out: bytes
    err: bytes
    seconds: float

    @property
    def said(self) -> str:
        """Return what was said on standard error."""
        return self.err.decode("utf-8", "surrogateescape")


def _child(folder: str, arguments: tuple[str, ...], into: str) -> None:
    os.chdir(folder)
    for target, name in ((1, f"{into}/out"), (2, f"{into}/err")):
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, target)
        os.close(handle)
    sys.argv = ["dfr", *arguments]
    try:
        cli.main()
    finally:
        Path(into, "seconds").write_text(str(time.process_time()))


def dfr(folder: Path, *arguments: str, limit: float = 60) -> Ended:
    """Run the command in a process of its own, which a server forks with everything imported."""
    with tempfile.TemporaryDirectory() as into:
        process = SERVER.Process(target=_child, args=(str(folder), arguments, into))
        process.start()
        process.join(limit)
        if process.is_alive():
            process.kill()
            process.join()
            pytest.fail(f"dfr {' '.join(arguments)}: not done after {limit} s")
        assert process.exitcode is not None
        out, err, seconds = (Path(into, name).read_bytes() for name in ("out", "err", "seconds"))
    return Ended(process.exitcode, out, err, float(seconds))


def bad() -> Path:
    """Return the folder of hostile inputs, or skip; fail in CI."""
    root = os.environ.get("DFR_CORPUS")
    if root and (Path(root) / "bad" / "README.tsv").is_file():
        return Path(root) / "bad"
    if os.environ.get("CI"):
        pytest.fail("DFR_CORPUS names no corpus, and in CI there must be one")
    pytest.skip("DFR_CORPUS names no corpus")


def names() -> Iterator[str]:
    """Yield the inputs, or one placeholder, whose test then skips or fails, without a corpus."""
    table = Path(os.environ.get("DFR_CORPUS", "")) / "bad" / "README.tsv"
    if not table.is_file():
        yield "-"
        return
    with table.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            name = row["file"].replace("\\n", "\n")
            if name == "deep/d/d/.../Dockerfile":
                name = str(next((table.parent / "deep").rglob("Dockerfile")))
                name = os.path.relpath(name, table.parent)
            yield name


def _copy_file(source: str, target: str) -> str:
    try:
        return str(shutil.copy2(source, target, follow_symlinks=False))
    except PermissionError:  # for others than root, a file of mode 000
        Path(target).write_bytes(KEY)
        os.chmod(target, 0)
        return target


def copied(tmp_path: Path, name: str = "") -> Path:
    """Copy the folder, or one input and what it links to, into a repository of its own."""
    root, folder = bad(), tmp_path / "bad"
    (tmp_path / ".git").mkdir()
    beside = tmp_path / "dev" / "files"
    beside.mkdir(parents=True)
    (beside / "Dockerfile").write_bytes(KEY)
    if not name:
        shutil.copytree(root, folder, symlinks=True, copy_function=_copy_file)
        return folder
    links = [os.readlink(root / name)] if (root / name).is_symlink() else []
    for one in dict.fromkeys((name, *(link for link in links if (root / link).is_file()))):
        (folder / one).parent.mkdir(parents=True, exist_ok=True)
        if (root / one).is_dir() and not (root / one).is_symlink():
            shutil.copytree(root / one, folder / one, copy_function=_copy_file)
        else:
            _copy_file(str(root / one), str(folder / one))
    return folder


def state(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return type, mode, owner, link target and bytes of everything below a folder."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content: object = None
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file() and os.access(path, os.R_OK):
            content = path.read_bytes()
        meta = (status.st_mode, status.st_uid, status.st_gid)
        found[str(path.relative_to(folder))] = (*meta, content)
    return found


def kept(before: dict[str, tuple[object, ...]], after: dict[str, tuple[object, ...]]) -> bool:
    """Whether nothing but the bytes of regular files differs."""
    cut = [{name: (*v[:3], isinstance(v[3], bytes) or v[3]) for name, v in s.items()}
           for s in (before, after)]  # fmt: skip
    return cut[0] == cut[1]


def controls(output: bytes) -> list[str]:
    """Return the control characters of an output, tabs and newlines apart."""
    text = output.decode("utf-8", "surrogateescape")
    return re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\udc80-\udc9f]", text)


def clean(ended: Ended, most: float = MAX_SECONDS) -> None:
    """Check what holds for every run."""
    assert "Traceback" not in ended.said
    assert "please report it" not in ended.said
    assert ended.code in (0, 1, 2)
    assert SAID.match(ended.said.splitlines()[-1]), ended.said
    assert controls(ended.err) == []
    assert ended.seconds < most


INPUTS = [name for name in names() if name != HUGE]


@pytest.mark.parametrize("name", INPUTS, ids=lambda name: ascii(name)[:60])
def test_input(name: str, tmp_path: Path) -> None:
    folder = copied(tmp_path, name)
    before = state(tmp_path)

    check = dfr(folder, "fix", "--check", *RISKY, "--", name)
    diff = dfr(folder, "fix", "--diff", *RISKY, "--", name)
    for ended in (check, diff):
        clean(ended)
    assert state(tmp_path) == before
    assert controls(check.out) == []
    assert (check.code == 1) == bool(diff.out) == bool(check.out)

    fix = dfr(folder, "fix", *RISKY, "--", name)
    clean(fix)
    assert controls(fix.out) == []
    after = state(tmp_path)
    assert kept(before, after)
    changed = {n for n in after if after[n] != before[n]}
    if REFUSED.search(fix.said) or not diff.out or "not written" in fix.said:
        assert changed == set()
    else:
        target = os.path.relpath((folder / name).resolve(), tmp_path)
        assert changed
        assert all(n == target or n.startswith(f"{target}/") for n in changed)
        again = dfr(folder, "fix", "--check", *RISKY, "--", name)
        clean(again)
        assert (again.code, again.out) == (0, b"")
        if not (folder / name).is_symlink():
            old, new = before[target][3], after[target][3]
            assert isinstance(old, bytes)
            assert by_git(tmp_path / "other" / name, name, old, diff.out) == new


def by_git(path: Path, name: str, old: bytes, patch: bytes) -> bytes:
    """Return what `git apply` makes of a file."""
    path.parent.mkdir(parents=True)
    path.write_bytes(old)
    command = ["git", "apply", "--whitespace=nowarn", "-"]
    root = path.parents[name.count("/")]
    subprocess.run(command, cwd=root, input=patch, check=True, capture_output=True)
    return path.read_bytes()


def test_every_explained_input_is_there() -> None:
    root = bad()
    assert len(list(names())) == 110
    assert all(os.path.lexists(root / name) for name in names())


@pytest.mark.parametrize("level", [("--select", "all"), RISKY], ids=["safe", "risky"])
def test_20000_runs_take_four_times_as_long_as_5000(tmp_path: Path, level: Sequence[str]) -> None:
    """Seconds say more of the machine than of the program: what counts is that time is linear."""
    root = copied(tmp_path, HUGE)
    text = (root / HUGE).read_bytes()
    (root / "quarter.Dockerfile").write_bytes(b"\n".join(text.split(b"\n")[:5000]) + b"\n")
    quarter = dfr(root, "fix", *level, "quarter.Dockerfile", limit=300)
    ended = dfr(root, "fix", *level, HUGE, limit=300)
    clean(quarter, most=60)
    clean(ended, most=120)
    assert ended.code == 0
    assert ended.seconds < 6 * quarter.seconds
    assert (b"RUN" in ended.out) == (level is RISKY)


TOO_LONG = (
    "joining counts the scripts without what joins them: the result is longer than "
    "shell.MAX_CHARS, is not read, and the change is dropped"
)


@pytest.mark.parametrize(
    ("count", "width"),
    [(1500, 4), pytest.param(200, 170, marks=pytest.mark.xfail(strict=True, reason=TOO_LONG))],
)
def test_a_long_row_of_runs_is_joined_in_parts(count: int, width: int, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    rows = "".join(f"RUN echo {i:0{width}}\n" for i in range(count))
    (folder / "Dockerfile").write_text(f'FROM busybox\n{rows}CMD ["a"]\n')
    clean(dfr(folder, "fix", *RISKY, "Dockerfile"))
    runs = (folder / "Dockerfile").read_text().count("\nRUN ")
    assert 1 < runs < count / 10
    assert dfr(folder, "fix", "--check", *RISKY, "Dockerfile").code == 0


def test_whole_folder_as_a_user_runs_it(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    before = state(folder)
    beside = state(tmp_path / "dev")
    command = [sys.executable, "-m", "refactor.cli", "fix", "--select", "all", "."]
    ended = subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False)
    said = ended.stderr.decode("utf-8", "surrogateescape")
    assert ended.returncode in (0, 1, 2)
    assert "Traceback" not in said
    assert SAID.match(said.splitlines()[-1])
    assert "linkdir" not in said
    assert "symbolic link passed over" in said
    assert controls(ended.stdout) == controls(ended.stderr) == []
    assert kept(before, state(folder))
    assert state(tmp_path / "dev") == beside
    assert not (folder / "pwned").exists()


def on_a_terminal(folder: Path, *arguments: str, colour: bool = True) -> bytes:
    """Run the command with a terminal for both outputs, and return all that it is shown."""
    outer, inner = os.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    if not colour:
        environment["NO_COLOR"] = "1"
    command = [sys.executable, "-m", "refactor.cli", *arguments]
    with subprocess.Popen(
        command, cwd=folder, stdin=inner, stdout=inner, stderr=inner, env=environment
    ):
        os.close(inner)
        shown = b""
        try:
            while select.select([outer], [], [], 60)[0] and (some := os.read(outer, 65536)):
                shown += some
        except OSError:  # Linux says so when the other end is closed
            pass
        os.close(outer)
    return shown


ESCAPES = (
    b"# \x1b]0;title\x07 \xc2\x9b31m \x08\x08 \xe2\x80\xae\n"
    b"FROM scratch\nLABEL a \x1b[2J\xc2\x9d\x7f\nMAINTAINER \x1b[31mred\r\n"
)


@pytest.mark.parametrize("mode", ["--diff", "--check"])
@pytest.mark.parametrize("colour", [True, False])
def test_a_terminal_is_never_sent_what_a_file_contains(
    mode: str, colour: bool, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_bytes(ESCAPES)
    shown = on_a_terminal(tmp_path, "fix", mode, "Dockerfile", colour=colour)
    assert b"org.opencontainers.image.authors" in shown
    assert (b"\x1b[32m+LABEL" in shown) is colour
    plain = re.sub(rb"\x1b\[\d*m", b"", shown) if colour else shown
    assert controls(plain.replace(b"\r\n", b"\n")) == []
    assert b"\\x1b[31mred" in plain
    assert "\u202e".encode() not in shown


@pytest.mark.parametrize("name", ["terminal-escapes.Dockerfile", "nul-bytes.Dockerfile"])
def test_a_terminal_and_the_corpus(name: str, tmp_path: Path) -> None:
    shown = on_a_terminal(copied(tmp_path, name), "fix", "--diff", *RISKY, name, colour=False)
    assert b"1 unchanged" in shown or b"1 refused" in shown
    assert controls(shown.replace(b"\r\n", b"\n")) == []


def test_a_diff_for_git_is_exact(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "Dockerfile").write_bytes(ESCAPES)
    patch = dfr(folder, "fix", "--diff", "Dockerfile").out
    assert b"-MAINTAINER \x1b[31mred\r\n" in patch
    assert dfr(folder, "fix", "Dockerfile").code == 0
    written = (folder / "Dockerfile").read_bytes()
    assert written == by_git(tmp_path / "x" / "Dockerfile", "Dockerfile", ESCAPES, patch) != ESCAPES


def test_a_file_cannot_write_lines_of_the_report(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "a\n::error::Dockerfile").write_bytes(KEY)
    (folder / "Dockerfile").write_bytes(
        b"FROM debian:12\nRUN apt-get update && apt-get install -y --no-install-recommends zip\n"
        b"RUN <<EOF\n::error::b\n./x\nEOF\n"
    )
    ended = dfr(folder, "fix", "--check", "-v", *RISKY, ".", "a\n::error::Dockerfile", "c\n::d")
    assert "::error::" in ended.said
    assert [row for row in ended.said.split("\n") if row.startswith("::")] == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_named_pipes_do_not_stop_a_run(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    for name in ("Dockerfile", "compose.yaml", ".gitignore", "pyproject.toml"):
        os.mkfifo(folder / name)
    (folder / "a.Dockerfile").write_bytes(KEY)
    ended = dfr(folder, "fix", ".", limit=20)
    clean(ended)
    assert "Dockerfile: refused: not a regular file" in ended.said
    assert (folder / "a.Dockerfile").read_bytes() == MENDED


def test_names_that_no_system_takes(tmp_path: Path) -> None:
    ended = dfr(tmp_path, "fix", "a" * 5000, "b" * 300 + ".Dockerfile")
    clean(ended)
    assert ended.code == 2
    assert ended.said.count(": no such file or folder\n") == 2


KEPT = {
    "crlf": (KEY.replace(b"\n", b"\r\n"), MENDED.replace(b"\n", b"\r\n")),
    "mixed line ends": (b"FROM a\r\nMAINTAINER a\nRUN b\r\n", None),
    "byte-order mark": (b"\xef\xbb\xbf" + KEY, b"\xef\xbb\xbf" + MENDED),
    "no final newline": (KEY[:-1], MENDED[:-1]),
    "crlf, no final newline": (
        KEY[:-1].replace(b"\n", b"\r\n"),
        MENDED[:-1].replace(b"\n", b"\r\n"),
    ),
    "blank lines at the end": (KEY + b"\n \n\t\n", MENDED + b"\n \n\t\n"),
    "blanks at line ends": (b"FROM scratch  \nMAINTAINER a  \nRUN b\t\n", None),
}


@pytest.mark.parametrize("case", KEPT, ids=str)
def test_bytes_around_a_change_are_kept(case: str, tmp_path: Path) -> None:
    before, after = KEPT[case]
    if after is None:
        after = before.replace(b"MAINTAINER a", MENDED.split(b"\n")[1])
    path = tmp_path / "Dockerfile"
    path.write_bytes(before)
    assert CliRunner().invoke(cli.app, ["fix", str(path)]).exit_code == 0
    assert path.read_bytes() == after


def test_an_empty_file_stays_empty(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.touch()
    result = CliRunner().invoke(cli.app, ["fix", "--strict", str(path)])
    assert (result.exit_code, path.read_bytes()) == (3, b"")
    assert "refused: no instructions" in result.stderr


def test_a_read_only_file_is_not_written(tmp_path: Path) -> None:
    good, closed = tmp_path / "a.Dockerfile", tmp_path / "b.Dockerfile"
    for path in (good, closed):
        path.write_bytes(KEY)
    closed.chmod(0o444)
    result = CliRunner().invoke(cli.app, ["fix", str(closed), str(good)])
    assert result.exit_code == 2
    assert "not written: the file is read-only" in result.stderr
    assert (closed.read_bytes(), closed.stat().st_mode & 0o777) == (KEY, 0o444)
    assert good.read_bytes() == MENDED, "one file that cannot be written does not stop the run"


@pytest.mark.parametrize("mode", [0o600, 0o755, 0o664, 0o4755])
def test_the_mode_is_kept(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_bytes(KEY)
    path.chmod(mode)
    write(path, KEY, MENDED)
    assert (path.read_bytes(), path.stat().st_mode & 0o7777) == (MENDED, mode)
    assert [p.name for p in tmp_path.iterdir()] == ["Dockerfile"]


def test_a_file_that_changes_meanwhile_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "Dockerfile"
    path.write_bytes(KEY)

    def late(target: Path, before: bytes, after: bytes, others: Files) -> None:
        target.write_bytes(b"FROM scratch\n# by somebody else\n")
        write(target, before, after, others)

    monkeypatch.setattr(fixing, "write", late)
    result = CliRunner().invoke(cli.app, ["fix", str(path)])
    assert result.exit_code == 2
    assert "not written: changed on disk" in result.stderr
    assert path.read_bytes() == b"FROM scratch\n# by somebody else\n"


def test_a_file_that_goes_away_meanwhile_is_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(Unwritable, match="No such file"):
        write(tmp_path / "Dockerfile", KEY, MENDED)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_disk_leaves_the_old_bytes_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "Dockerfile"
    path.write_bytes(KEY)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unwritable, match="No space left"):
        write(path, KEY, MENDED)
    assert path.read_bytes() == KEY
    assert [p.name for p in tmp_path.iterdir()] == ["Dockerfile"]


def test_both_names_of_a_file_see_the_change(tmp_path: Path) -> None:
    one, two = tmp_path / "a.Dockerfile", tmp_path / "b"
    one.write_bytes(KEY)
    two.hardlink_to(one)
    assert CliRunner().invoke(cli.app, ["fix", str(one)]).exit_code == 0
    assert one.read_bytes() == two.read_bytes() == MENDED
    assert one.samefile(two)


def test_a_link_stays_one_and_its_target_is_written(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "Dockerfile"
    target.write_bytes(KEY)
    target.chmod(0o640)
    link.symlink_to("target")
    assert CliRunner().invoke(cli.app, ["fix", str(link)]).exit_code == 0
    assert (os.readlink(link), target.read_bytes()) == ("target", MENDED)
    assert target.stat().st_mode & 0o777 == 0o640
