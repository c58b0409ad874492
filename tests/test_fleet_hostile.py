"""Hostile repositories: reported, bounded, nothing of them executed, and the campaign goes on."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from refactor.fleet.ledger import Ledger
from refactor.fleet.records import Plan
from tests.fleet_campaigns import campaign, plans, run
from tests.fleet_repositories import AUTHOR, DATE, commit, git, repository

GOOD = {"Dockerfile": b"FROM python:3.12\nRUN pip install flask\n"}
HOOKS = (
    "post-checkout", "post-merge", "pre-commit", "commit-msg", "pre-push", "reference-transaction",
    "post-index-change", "fsmonitor-watchman", "update", "pre-receive", "post-update",
)  # fmt: skip


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """Return a program that leaves a trace if anybody runs it: beside it, with the suffix .ran."""
    place = tmp_path / "canary"
    place.write_text(f'#!/bin/sh\necho "$0 $*" >> "{place}.ran"\n')
    place.chmod(0o755)
    return place


def listed(folder: Path, *addresses: str | Path) -> Path:
    path = folder / "list.txt"
    path.write_text("".join(f"{address}\n" for address in addresses))
    return path


def planned(tmp_path: Path, *addresses: str | Path, more: str = "", code: int = 2) -> list[Plan]:
    """Plan some repositories, a good one behind them; return the plans of the others."""
    good = repository(tmp_path / "good.git", GOOD)
    folder = campaign(tmp_path / "campaign", listed(tmp_path, *addresses, good), more=more)
    run("plan", folder, "-j2", code=code)
    found = list(plans(folder))
    assert found[-1].state == "planned"
    assert found[-1].files[0].status == "changed"
    return found[:-1]


def test_nothing_of_a_repository_is_executed(tmp_path: Path, canary: Path) -> None:
    place = repository(tmp_path / "evil", {
        **GOOD,
        ".gitattributes": b"* filter=evil diff=evil merge=evil\n*.bin filter=lfs\n",
        ".gitmodules": b'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c %s\n\tupdate = !%s\n'
        % (bytes(canary), bytes(canary)),
        "x.bin": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
        ".dockerignore": b"x\n",
        "app.py": b"print()\n",
    })  # fmt: skip
    (place / "hooks").mkdir()
    for name in HOOKS:
        (place / "hooks" / name).symlink_to(canary)
    (place / "info").mkdir(exist_ok=True)
    (place / "info" / "attributes").write_text("* filter=evil\n")
    (place / "config").write_text((place / "config").read_text() + f"""
[core]
	fsmonitor = {canary}
	hooksPath = {place}/hooks
	sshCommand = {canary}
	gitProxy = {canary}
	askPass = {canary}
	pager = {canary}
	editor = {canary}
	alternateRefsCommand = {canary}
[uploadpack]
	packObjectsHook = {canary}
[filter "evil"]
	clean = {canary}
	smudge = {canary}
	process = {canary}
	required = true
[filter "lfs"]
	smudge = {canary}
	process = {canary}
[diff "evil"]
	command = {canary}
	textconv = {canary}
[diff]
	external = {canary}
[credential]
	helper = !{canary}
[alias]
	upload-pack = !{canary}
	cat-file = !{canary}
[gpg]
	program = {canary}
[remote "origin"]
	url = ext::{canary}
	promisor = true
	partialclonefilter = blob:none
	uploadpack = {canary}
[protocol "ext"]
	allow = always
[include]
	path = {canary}.config
""")  # fmt: skip
    folder = campaign(tmp_path / "campaign", listed(tmp_path, place))
    run("plan", folder)
    run("apply", folder)
    found = next(iter(plans(folder)))
    assert found.state == "planned", found
    assert [change.transform for file in found.files for change in file.changes]
    assert not Path(f"{canary}.ran").exists(), Path(f"{canary}.ran").read_text()


def test_the_canary_would_be_found(tmp_path: Path, canary: Path) -> None:
    place = repository(tmp_path / "evil", GOOD)
    config = (place / "config").read_text() + f'[filter "evil"]\n\tclean = {canary}\n'
    (place / "config").write_text(config)
    git("-c", f"core.fsmonitor={canary}", "-c", "core.bare=false", f"--work-tree={tmp_path}",
        "status", folder=place)  # fmt: skip
    assert Path(f"{canary}.ran").exists()


@pytest.mark.parametrize(
    "address",
    [
        "ext::sh -c {canary}",
        "fd::17/foo",
        "--upload-pack={canary}",
        "-u{canary}",
        "https://me:secret@example.com/a.git",
        "https://token@example.com/a.git",
        "gopher://example.com/a",
        "https://example.com",
        "a\x1b[2Jb",
    ],
)
def test_addresses_that_are_not_used(address: str, tmp_path: Path, canary: Path) -> None:
    folder = tmp_path / "campaign"
    folder.mkdir()
    listing = listed(tmp_path, address.format(canary=canary))
    (folder / "campaign.toml").write_text(f'name = "x"\n[[source]]\nlist = "{listing}"\n')
    ended = run("init", folder, code=2)
    assert f"{listing}, line 1: " in ended.stderr
    assert "secret" not in ended.stderr
    assert "\x1b" not in ended.stderr
    assert not Path(f"{canary}.ran").exists()


def test_an_address_that_is_an_option_of_ssh(tmp_path: Path, canary: Path) -> None:
    address = f"ssh://-oProxyCommand={canary}/x"
    found = planned(tmp_path, address, f"ssh://example.invalid/$({canary})")
    assert [plan.state for plan in found] == ["failed", "failed"]
    assert not Path(f"{canary}.ran").exists()


def test_links_lead_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("FROM secret:1\nRUN apt-get update\n")
    outside = os.fsencode(secret)
    place = repository(tmp_path / "a.git", {
        "120000 Dockerfile": outside,
        "120000 app": os.fsencode(tmp_path),
        "compose.yaml": b"services: {a: {build: {context: app, dockerfile: secret}}}\n",
        "120000 .dockerfile-refactor.toml": outside,
        "real/Dockerfile": b"FROM python:3.12\nCOPY . .\n",
        "120000 real/.dockerignore": outside,
        "120000 real/requirements.txt": outside,
    })  # fmt: skip
    (found,) = planned(tmp_path, place, code=0)
    assert [file.path for file in found.files] == ["real/Dockerfile"]
    assert dict(found.passed_over)["symbolic link"] == 1
    assert "secret:1" not in str(found)


def test_names_with_newlines_are_planned_and_applied(tmp_path: Path) -> None:
    path = 'a\nb "c"\\d/Dockerfile'
    place = repository(tmp_path / "a.git", {path: GOOD["Dockerfile"], "b\udcff/Dockerfile": b"x"})
    folder = campaign(tmp_path / "campaign", listed(tmp_path, place))
    run("plan", folder)
    run("apply", folder)
    (found,) = plans(folder)
    assert [(file.path, file.status) for file in found.files] == [
        (path, "changed"),
        ("b\\udcff/Dockerfile", "refused"),
    ]
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        (branch,) = ledger.branches()
    assert (branch.state, branch.files) == ("made", (path,))
    assert "\n" not in run("plan", folder, "--dry-run").stdout


def test_what_is_too_large_is_left(tmp_path: Path) -> None:
    noise = repository(tmp_path / "noise.git", {**GOOD, "x.bin": os.urandom(3_000_000)})
    config = noise / "config"
    config.write_text(config.read_text().replace("allowFilter = true", "allowFilter = false"))
    wanted = repository(tmp_path / "wanted.git", {**GOOD, "x.json": os.urandom(3_000_000)})
    unasked = repository(tmp_path / "unasked.git", {**GOOD, "x.bin": os.urandom(3_000_000)})
    found = planned(tmp_path, noise, wanted, unasked, more="[limits]\nclone_bytes = 1_000_000\n")
    assert [plan.reason for plan in found] == ["larger than 1000000 bytes"] * 2 + [""]
    assert not list((tmp_path / "campaign" / "cache").glob(".new*"))


def test_a_huge_file_of_nothing(tmp_path: Path) -> None:
    """A small pack, and a file that nobody may read whole: 2 GB where there is time."""
    place = repository(tmp_path / "a.git", GOOD)
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(2 * 1024**3 if "DFR_FLEET" in os.environ else 1024**3 // 8)
    name = git("-c", "core.compression=1", "hash-object", "-w", str(sparse), folder=place)
    tree = git("mktree", "-z", folder=place, input=b"".join(
        b"100644 blob %s\t%s\0" % (name.strip(), path)
        for path in (b"Dockerfile", b"package.json", b"web.Dockerfile")
    )).decode().strip()  # fmt: skip
    stream = f"commit refs/heads/main\ncommitter {AUTHOR} {DATE}\ndata 0\nM 040000 {tree} \n"
    git("fast-import", "--quiet", "--force", folder=place, input=stream.encode())
    start = time.monotonic()
    (found,) = planned(tmp_path, place, code=0)
    assert [file.reason for file in found.files] == ["larger than 4194304 bytes"] * 2
    assert time.monotonic() - start < 60


def test_a_hundred_thousand_files(tmp_path: Path) -> None:
    many = {f"d{n % 300}/e{n % 7}/{n}.txt": b"" for n in range(50_000)}
    many |= {f"{n}.txt": b"" for n in range(50_000)}
    place = repository(tmp_path / "a.git", {**GOOD, **many})
    start = time.monotonic()
    (found,) = planned(tmp_path, place, code=0)
    assert found.files[0].status == "changed"
    assert time.monotonic() - start < 60
    other = tmp_path / "again"
    other.mkdir()
    (found,) = planned(other, place, more="[limits]\nfiles = 50_000\n")
    assert (found.state, found.reason) == ("failed", "more than 50000 files")


def test_a_tree_that_is_small_and_holds_a_billion_files(tmp_path: Path) -> None:
    place = repository(tmp_path / "a.git", GOOD)
    entry = b"100644 blob %s" % git("rev-parse", "HEAD:Dockerfile", folder=place).strip()
    for _ in range(9):
        rows = b"".join(b"%s\t%d\0" % (entry, n) for n in range(10))
        entry = b"040000 tree %s" % git("mktree", "-z", folder=place, input=rows).strip()
    tree = entry.split()[-1].decode()
    stream = f"commit refs/heads/main\ncommitter {AUTHOR} {DATE}\ndata 0\nM 040000 {tree} \n"
    git("fast-import", "--quiet", "--force", folder=place, input=stream.encode())
    (found,) = planned(tmp_path, place, more="[limits]\nfiles = 20_000\n")
    assert found.reason == "more than 20000 files"


def test_what_cannot_be_read_is_reported(tmp_path: Path) -> None:
    broken = repository(tmp_path / "broken.git", GOOD)
    for pack in broken.glob("objects/pack/*.pack"):
        pack.chmod(stat.S_IRUSR | stat.S_IWUSR)
        pack.write_bytes(pack.read_bytes()[:-40])
    for loose in broken.glob("objects/??/*"):
        loose.chmod(stat.S_IRUSR | stat.S_IWUSR)
        loose.write_bytes(b"nothing")
    (tmp_path / "file").write_text("no repository")
    detached = repository(tmp_path / "detached.git", GOOD)
    (detached / "HEAD").write_text(git("rev-parse", "HEAD", folder=detached).decode())
    commit(detached, {**GOOD, "more": b""})
    unconfigured = repository(
        tmp_path / "c.git", {**GOOD, ".dockerfile-refactor.toml": b'levle = "safe"\n'}
    )
    found = planned(
        tmp_path, broken, tmp_path / "none", tmp_path / "file", detached, unconfigured,
        "https://127.0.0.1:9/a.git",
    )  # fmt: skip
    assert [plan.state for plan in found] == ["failed"] * 6
    words = (
        "git clone: ", "does not appear to be a git repository", "git clone: ",
        "HEAD is no branch", "unknown key 'levle'; there are: select", "git clone: ",
    )  # fmt: skip
    for plan, word in zip(found, words, strict=True):
        assert word in plan.reason


def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"git://127.0.0.1:{server.getsockname()[1]}/a.git"
        start = time.monotonic()
        (found,) = planned(tmp_path, address, more="[limits]\nseconds = 2\n")
    assert found.reason == "git clone took more than 2 s"
    assert time.monotonic() - start < 30


def test_one_who_fetches_nothing_from_elsewhere(tmp_path: Path, canary: Path) -> None:
    """A local clone that lacks its files would have to ask its own remote, which is not asked."""
    whole = repository(tmp_path / "whole.git", GOOD)
    place = tmp_path / "partial.git"
    git("clone", "-q", "--bare", "--filter=blob:none", f"file://{whole}", str(place), folder=whole)
    git("config", "remote.origin.uploadpack", f"{canary}; git-upload-pack", folder=place)
    (found,) = planned(tmp_path, place)
    assert found.state == "failed"
    assert not Path(f"{canary}.ran").exists()


def test_git_asks_nobody(tmp_path: Path) -> None:
    """Without a terminal and without helpers there is nobody to ask for a password."""
    from refactor.fleet.git import environment

    found = environment()
    assert found["GIT_TERMINAL_PROMPT"] == "0"
    assert "GIT_DIR" not in environment({})
    ended = subprocess.run(
        ["git", "var", "GIT_EDITOR"], env={**found, "GIT_EDITOR": "x"}, capture_output=True,
        check=False,
    )  # fmt: skip
    assert ended.returncode == 0
