"""`--since REF`, with real git repositories: what counts as changed, and what is never run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from refactor import since
from refactor.since import SinceError, changed
from tests.test_cli import OLD, dfr, plant

_IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "a"), ("EMAIL", "a@example.org"))
}


def git(folder: Path, *words: str) -> str:
    """Run git, with no configuration but the repository's own."""
    environment = {**os.environ, **_IDENTITY, "GIT_CONFIG_GLOBAL": os.devnull}
    ended = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *words],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def commit(folder: Path, files: Mapping[str, bytes]) -> str:
    """Commit files and return the commit."""
    plant(folder, files)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "x")
    return git(folder, "rev-parse", "HEAD")


ODD = ["new\nline.Dockerfile", "tab\t.Dockerfile", "umläut.Dockerfile", 'q"uote.Dockerfile', "Ω"]
if sys.platform == "linux":
    ODD.append(os.fsdecode(b"latin-\xe9.Dockerfile"))
KEPT = ["Dockerfile", "sub/Dockerfile", "sub/deep/Dockerfile", *ODD]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository: a commit on main, and a branch that starts there."""
    root = tmp_path / "root"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    commit(root, dict.fromkeys(KEPT, OLD))
    git(root, "switch", "-q", "-c", "topic")
    return root


def names(root: Path, ref: str = "main", among: list[str] | None = None) -> list[str]:
    """Return which files changed, in their order."""
    found = changed([root / name for name in among or KEPT], ref)
    return [path.relative_to(root).as_posix() for path in found]


def test_nothing_changed(repository: Path) -> None:
    assert names(repository) == []


def test_committed_staged_edited_and_new_files_count(repository: Path) -> None:
    commit(repository, {"Dockerfile": OLD + b"# committed\n"})
    plant(repository, {"sub/Dockerfile": OLD + b"# staged\n"})
    git(repository, "add", "-A")
    plant(repository, {"sub/deep/Dockerfile": OLD + b"# edited\n", "new.Dockerfile": OLD})
    assert names(repository, among=[*KEPT, "new.Dockerfile"]) == [
        "Dockerfile", "sub/Dockerfile", "sub/deep/Dockerfile", "new.Dockerfile",
    ]  # fmt: skip


def test_what_is_back_as_it_was_did_not_change(repository: Path) -> None:
    commit(repository, {"Dockerfile": OLD + b"# away\n"})
    commit(repository, {"Dockerfile": OLD})
    plant(repository, {"sub/Dockerfile": OLD + b"# staged\n"})
    git(repository, "add", "-A")
    plant(repository, {"sub/Dockerfile": OLD})
    assert names(repository) == []


@pytest.mark.parametrize("name", ODD)
def test_names_of_any_bytes(repository: Path, name: str) -> None:
    commit(repository, {name: OLD + b"# x\n"})
    assert names(repository) == [name]


def test_it_is_the_merge_base_not_the_tip(repository: Path) -> None:
    git(repository, "switch", "-q", "main")
    commit(repository, {"Dockerfile": OLD + b"# only on main\n"})
    git(repository, "switch", "-q", "topic")
    commit(repository, {"sub/Dockerfile": OLD + b"# only here\n"})
    assert names(repository) == ["sub/Dockerfile"]


def test_a_renamed_file_is_a_new_one(repository: Path) -> None:
    git(repository, "mv", "Dockerfile", "app.Dockerfile")
    assert names(repository, among=["sub/Dockerfile", "app.Dockerfile"]) == ["app.Dockerfile"]


def test_a_deleted_file_is_left_to_who_reads_it(repository: Path) -> None:
    (repository / "Dockerfile").unlink()
    assert names(repository) == ["Dockerfile"]


def test_a_mode_is_no_change(repository: Path) -> None:
    (repository / "Dockerfile").chmod(0o755)
    assert names(repository) == []


def test_ends_of_lines_are_no_change(repository: Path) -> None:
    plant(repository, {"Dockerfile": OLD.replace(b"\n", b"\r\n")})
    plant(repository, {"sub/Dockerfile": OLD.replace(b"\n", b"\r\n") + b"# x\r\n"})
    assert names(repository) == ["sub/Dockerfile"]


def test_a_subfolder_and_a_relative_path(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(repository, {"sub/deep/Dockerfile": OLD + b"# x\n"})
    monkeypatch.chdir(repository / "sub")
    paths = [Path("deep/Dockerfile"), Path("Dockerfile"), Path("../Dockerfile")]
    assert changed(paths, "main") == [Path("deep/Dockerfile")]


def test_a_link_counts_as_what_it_leads_to(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(OLD)
    for name, target in (
        ("a.Dockerfile", "Dockerfile"), ("b.Dockerfile", "sub/Dockerfile"),
        ("c.Dockerfile", "nowhere"), ("d.Dockerfile", "../outside"), ("linked", "sub"),
    ):  # fmt: skip
        (repository / name).symlink_to(target)
    links = ["a.Dockerfile", "b.Dockerfile", "c.Dockerfile", "d.Dockerfile", "linked/Dockerfile"]
    base = commit(repository, {})
    plant(repository, {"sub/Dockerfile": OLD + b"# x\n"})
    assert names(repository, base, links) == links[1:]
    (repository / "a.Dockerfile").unlink()
    (repository / "a.Dockerfile").symlink_to("sub/deep/Dockerfile")
    assert names(repository, base, links) == links


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_is_not_waited_for(repository: Path) -> None:
    (repository / "Dockerfile").unlink()
    os.mkfifo(repository / "Dockerfile")
    assert names(repository) == ["Dockerfile"]


def test_a_worktree(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    commit(tmp_path / "tree", {"Dockerfile": OLD + b"# x\n"})
    assert names(tmp_path / "tree") == ["Dockerfile"]
    assert names(repository) == []


def test_a_submodule_is_a_repository_of_its_own(repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q", "-b", "main")
    base = commit(other, {"a/Dockerfile": OLD, "b/Dockerfile": OLD})
    git(repository, "submodule", "add", "-q", str(other), "module")
    git(repository, "tag", base[:7])  # the same name for a commit in both
    plant(repository, {"module/a/Dockerfile": OLD + b"# x\n"})
    files = ["Dockerfile", "module/a/Dockerfile", "module/b/Dockerfile"]
    assert names(repository, base[:7], files) == ["module/a/Dockerfile"]
    with pytest.raises(SinceError, match=r"no commit 'topic' in .*module"):
        names(repository, "topic", files)


def test_other_hashes(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--object-format=sha256")
    base = commit(tmp_path, {"a/Dockerfile": OLD, "b/Dockerfile": OLD})
    plant(tmp_path, {"a/Dockerfile": OLD + b"# x\n"})
    assert len(base) == 64
    assert names(tmp_path, base, ["a/Dockerfile", "b/Dockerfile"]) == ["a/Dockerfile"]


@pytest.mark.parametrize("ref", ["nothing", "", "--upload-pack=x", "-h", "main..topic", "a b\n"])
def test_a_reference_that_is_none(repository: Path, ref: str) -> None:
    with pytest.raises(SinceError, match=r"there is no commit .* in .*root$"):
        names(repository, ref)


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    plant(tmp_path, {"Dockerfile": OLD})
    with pytest.raises(SinceError, match="there is no commit 'HEAD'"):
        names(tmp_path, among=["Dockerfile"])


def test_histories_that_have_nothing_in_common(repository: Path) -> None:
    git(repository, "switch", "-q", "--orphan", "lonely")
    commit(repository, {"Dockerfile": OLD})
    with pytest.raises(SinceError, match=r"main and HEAD have no commit in common$"):
        names(repository)


def test_a_history_that_is_cut_off(repository: Path, tmp_path: Path) -> None:
    git(repository, "switch", "-q", "main")
    commit(repository, {"sub/Dockerfile": OLD + b"# on main\n"})
    git(repository, "switch", "-q", "topic")
    commit(repository, {"Dockerfile": OLD + b"# x\n"})
    git(tmp_path, "clone", "-q", "--depth=1", "--branch=topic", repository.as_uri(), "cut")
    with pytest.raises(SinceError, match=r"no commit 'origin/main' .*`fetch-depth: 0`"):
        names(tmp_path / "cut", "origin/main")
    git(tmp_path / "cut", "fetch", "-q", "--depth=1", "origin", "main:refs/remotes/origin/main")
    with pytest.raises(SinceError, match=r"no commit in common.*`fetch-depth: 0`"):
        names(tmp_path / "cut", "origin/main")
    git(tmp_path / "cut", "fetch", "-q", "--unshallow")
    assert names(tmp_path / "cut", "origin/main") == ["Dockerfile"]


def test_no_repository(tmp_path: Path) -> None:
    plant(tmp_path, {"Dockerfile": OLD})
    with pytest.raises(SinceError, match="Dockerfile is in no git repository"):
        names(tmp_path, among=["Dockerfile"])
    plant(tmp_path, {".git/x": b"not one"})
    with pytest.raises(SinceError, match=r"git cannot read .*not a git repository"):
        names(tmp_path, among=["Dockerfile"])


def test_no_git(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SinceError, match=r"git cannot be run: No such file.*; install it"):
        names(repository)


def test_a_git_that_does_not_answer(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(since, "SECONDS", 0.2)
    with pytest.raises(SinceError, match="git took more than"):
        names(repository)


def test_variables_of_a_hook_do_not_lead_elsewhere(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "elsewhere" / "index"))
    plant(repository, {"Dockerfile": OLD + b"# x\n"})
    assert names(repository) == ["Dockerfile"]


def test_nothing_that_a_repository_configures_is_run(repository: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\necho \"$0 $*\" >> '{tmp_path}/ran'\ncat\n")
    trap.chmod(0o755)
    for key in (
        "core.fsmonitor", "diff.external", "diff.x.command", "diff.x.textconv", "filter.x.clean",
        "filter.x.smudge", "filter.x.process", "core.sshCommand", "core.pager", "pager.ls-tree",
        "pager.merge-base", "core.editor", "core.gitProxy", "gpg.program", "credential.helper",
        "core.alternateRefsCommand", "uploadpack.packObjectsHook", "remote.origin.uploadpack",
        "core.askPass",
    ):  # fmt: skip
        git(repository, "config", key, str(trap))
    for name in ("ls-tree", "rev-parse", "merge-base"):
        git(repository, "config", f"alias.{name}", f"!{trap}")
    git(repository, "config", "core.hooksPath", str(tmp_path / "hooks"))
    (tmp_path / "hooks").mkdir()
    for hook in ("post-index-change", "reference-transaction", "fsmonitor-watchman"):
        (tmp_path / "hooks" / hook).symlink_to(trap)
    plant(repository, {".gitattributes": b"* diff=x filter=x\n", "Dockerfile": OLD + b"# x\n"})
    index = (repository / ".git" / "index").read_bytes()
    assert names(repository) == ["Dockerfile"]
    assert not (tmp_path / "ran").exists()
    assert (repository / ".git" / "index").read_bytes() == index
    subprocess.run(["git", "diff"], cwd=repository, capture_output=True, check=False)
    assert (tmp_path / "ran").exists(), "the trap works"


def test_objects_that_are_missing_are_not_fetched(repository: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
    trap.chmod(0o755)
    git(repository, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--no-checkout", "--filter=tree:0", repository.as_uri(), "part")
    part = tmp_path / "part"
    git(part, "config", "remote.origin.uploadpack", str(trap))
    plant(part, {"Dockerfile": OLD})
    for url in (repository.as_uri(), f"ext::{trap}", "ssh://example.org/x"):
        git(part, "config", "remote.origin.url", url)
        git(part, "config", "core.sshCommand", str(trap))
        with pytest.raises(SinceError, match=r"git cannot read"):
            names(part, "origin/main", ["Dockerfile"])
        assert not (tmp_path / "ran").exists()


def test_the_option(repository: Path) -> None:
    plant(repository, {"sub/Dockerfile": OLD + b"# x\n"})
    ended = dfr(repository, "fix", "--check", "--since", "main", ".")
    assert ended.code == 1
    assert ended.out.count(b"--- a/") == 1
    assert ended.last == (
        "1 file would be changed (1 change), 0 unchanged, "
        f"{len(KEPT) - 2} not changed since main passed over"
    )
    assert dfr(repository, "fix", "--since", "main", "sub/deep").code == 0
    assert (repository / "sub/deep/Dockerfile").read_bytes() == OLD
    ended = dfr(repository, "fix", "--since", "nothing", ".")
    assert (ended.code, ended.out) == (2, b"")
    assert ended.last.startswith("dfr: --since: there is no commit 'nothing' in ")
    assert dfr(repository, "fix", "--since", "main", "-", stdin=OLD).code == 2


def test_what_did_not_change_still_tells_what_is_started_from(repository: Path) -> None:
    commit(repository, {"app/Dockerfile": b'FROM registry.example.com/tools:1\nCMD ["x"]\n'})
    start = git(repository, "rev-parse", "HEAD")
    plant(repository, {"tools/Dockerfile": b'FROM debian:12\nRUN make\nCMD ["/bin/app"]\n'})
    check = ("fix", "--check", "--level", "risky", "--verbose", "tools")
    assert b"run-as-user" in dfr(repository, *check).out
    ended = dfr(repository, *check, "app", "--since", start)
    assert ended.out == b""
    assert "refusal U309: what starts from it would inherit the user" in ended.said
