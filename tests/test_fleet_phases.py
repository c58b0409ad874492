"""Init, plan and apply by the command line, one behaviour at a time."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest

from refactor.fleet.campaign import load
from refactor.fleet.ledger import Ledger
from refactor.fleet.phases import Choice, Stopped, Tally
from refactor.fleet.records import Repository, Ruling
from tests.fleet_campaigns import branches, campaign, plans, run
from tests.fleet_repositories import commit, git, repository

PIP = b"FROM python:3.12\nRUN pip install flask\n"
APT = b"FROM debian:12\nRUN apt-get update\nRUN apt-get install -y curl\n"


def begun(tmp_path: Path, *trees: dict[str, bytes], more: str = "", level: str = "safe") -> Path:
    """Return a campaign over repositories that hold these files."""
    remotes = tmp_path / "remotes"
    for number, files in enumerate(trees):
        repository(remotes / f"r{number}.git", files)
    remotes.mkdir(exist_ok=True)
    listing = remotes / "list.txt"
    listing.write_text("".join(f"r{number}.git\n" for number in range(len(trees))))
    return campaign(tmp_path / "campaign", listing, level, more)


def log(folder: Path) -> list[dict[str, object]]:
    return [json.loads(row) for row in (folder / "log.jsonl").read_text().splitlines()]


def show(folder: Path, number: int, name: str) -> str:
    """Return a file of the branch that was made for a repository."""
    (branch,) = [b for b in branches(folder) if b.repository.endswith(f"r{number}")]
    place = next((folder / "cache").glob(f"*r{number}"))
    return git("cat-file", "blob", f"{branch.head}:{name}", folder=place).decode()


# init


def test_init_writes_a_campaign_and_looks_again(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# mine\nhttps://github.com/acme/a.git\n\nb\n")
    folder = tmp_path / "slim"
    ended = run("init", folder, "--list", str(tmp_path / "list.txt"), "--level", "suggested")
    assert "2 repositories" in ended.stderr
    found = load(folder)
    assert (found.name, found.refactor.level) == ("slim", "suggested")
    (tmp_path / "list.txt").write_text("#https://github.com/acme/a.git\nb\ngit@host:c/d.git\n")
    assert "2 repositories, 1 no longer in the sources" in run("init", folder).stderr
    with Ledger.open(found.ledger) as ledger:
        assert list(ledger.repositories()) == [
            Repository("github.com/acme/a", "https://github.com/acme/a.git", "github",
                       skipped="no longer in the sources"),
            Repository(str(tmp_path / "b")[1:], str(tmp_path / "b")),
            Repository("host/c/d", "git@host:c/d.git"),
        ]  # fmt: skip
    assert "is there already" in run("init", folder, "--github", "acme", code=2).stderr


def test_init_needs_to_know_which_repositories(tmp_path: Path) -> None:
    assert "--list FILE" in run("init", tmp_path / "slim", code=2).stderr
    assert not (tmp_path / "slim").exists()


def test_a_dry_init_writes_nothing(tmp_path: Path) -> None:
    ended = run("init", tmp_path / "slim", "--github", "acme", "--dry-run")
    assert 'github = "acme"' in ended.stdout
    assert not (tmp_path / "slim").exists()


def test_sources_take_patterns(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("".join(f"https://h/acme/{n}\n" for n in ("a", "b", "old")))
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / "campaign.toml").write_text(
        f'name = "c"\n[[source]]\nlist = "{tmp_path}/list.txt"\ninclude = ["acme/*"]\n'
        'exclude = ["h/acme/old"]\nbranch = "next"\n'
    )
    assert run("init", folder, "--dry-run").stdout.split() == ["h/acme/a", "h/acme/b"]
    run("init", folder)
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        assert {one.branch for one in ledger.repositories()} == {"next"}


# plan


def test_only_limit_and_pilot_choose(tmp_path: Path) -> None:
    folder = begun(tmp_path, *[{"Dockerfile": PIP}] * 6)
    listed = run("plan", folder, "--dry-run", "--only", "*r[12]").stdout.split()
    assert [name[-2:] for name in listed] == ["r1", "r2"]
    assert len(run("plan", folder, "--dry-run", "--limit", "4").stdout.split()) == 4
    pilot = run("plan", folder, "--dry-run", "--pilot", "30%").stdout.split()
    larger = run("plan", folder, "--dry-run", "--pilot", "4").stdout.split()
    assert (len(pilot), len(larger)) == (2, 4)
    assert set(pilot) < set(larger)
    assert not list(plans(folder))
    run("plan", folder, "--pilot", "30%")
    assert {plan.repository for plan in plans(folder)} == set(pilot)
    assert "share, such as 5%" in run("plan", folder, "--pilot", "few", code=2).stderr


def test_a_pilot_is_the_same_part_each_time(tmp_path: Path) -> None:
    folder = begun(tmp_path, more="[limits]\npilot = 3\n")
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        names = [f"host/{number}" for number in range(40)]
        ledger.put_repositories(Repository(name, name) for name in names)
        chosen = [{n for n in names if Choice(pilot=p).of(load(folder), ledger)(n)}
                  for p in ("", "5%", "50%", "100%")]  # fmt: skip
    assert [len(one) for one in chosen] == [3, 2, 20, 40]
    assert chosen[1] < chosen[0] < chosen[2] < chosen[3]


def test_a_phase_stops_at_a_ratio_of_failures(tmp_path: Path) -> None:
    folder = begun(tmp_path, *[{"Dockerfile": PIP}] * 2)
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        ledger.put_repositories(Repository(f"none/{n}", f"/none/{n}") for n in range(40))
    ended = run("plan", folder, "-j1", "--stop-on-failure-ratio", "0.5", code=2)
    assert "failed: more than the ratio of 0.5" in ended.stderr
    assert len(list(plans(folder))) == 10
    assert "stopped" in log(folder)[-2]


def test_few_failures_are_none_to_stop_at() -> None:
    tally = Tally(0.25)
    for _ in range(9):
        tally.add("failed")
    with pytest.raises(Stopped):
        tally.add("planned")
    calm = Tally(0.0)
    for _ in range(99):
        calm.add("failed")


def test_what_failed_is_tried_again(tmp_path: Path) -> None:
    folder = begun(tmp_path, {"Dockerfile": PIP}, {"Dockerfile": PIP})
    away, home = tmp_path / "away", tmp_path / "remotes" / "r1.git"
    home.rename(away)
    assert "r1: failed: git clone" in run("plan", folder, code=2).stderr
    away.rename(home)
    assert "plan: 1 planned" in run("plan", folder).stderr
    assert [plan.state for plan in plans(folder)] == ["planned", "planned"]


def test_other_settings_make_other_plans(tmp_path: Path) -> None:
    folder = begun(tmp_path, {"Dockerfile": APT}, {"README": b""})
    run("plan", folder)
    before = list(plans(folder))
    assert (before[1].state, before[1].reason) == ("skipped", "no Dockerfile")
    config = folder / "campaign.toml"
    config.write_text(config.read_text().replace('"safe"\n[review]', '"suggested"\n[review]'))
    assert "1 planned, 1 skipped" in run("plan", folder).stderr
    after = list(plans(folder))
    assert after[0].base == before[0].base
    assert len(after[0].files[0].changes) > len(before[0].files[0].changes)


def test_a_repository_takes_part_as_far_as_it_likes(tmp_path: Path) -> None:
    folder = begun(
        tmp_path,
        {"Dockerfile": APT, ".dockerfile-refactor.toml": b"[fleet]\nenabled = false\n"},
        {"Dockerfile": APT, ".dockerfile-refactor.toml": b'level = "safe"\n'},
        {"Dockerfile": APT, "old/Dockerfile": APT,
         "old/.dockerfile-refactor.toml": b"[fleet]\nenabled = false\n"},
        {"Dockerfile": APT, ".dockerfile-refactor.toml": b'select = ["use-apt-get"]\n'},
        {"Dockerfile": APT, ".dockerfile-refactor.toml": b'[fleet]\nenable = true\n'},
        {"Dockerfile": APT, ".dockerfile-refactor.toml":
         b'[[overrides]]\npaths = ["D*"]\nlevel = "safe"\n'},
        level="suggested",
    )  # fmt: skip
    run("plan", folder, code=2)
    off, careful, partly, little, wrong, override = plans(folder)
    assert (off.state, off.reason) == ("skipped", "opted out")
    for one in (careful, override):
        assert {change.level for change in one.files[0].changes} == {"safe"}
    assert [file.path for file in partly.files] == ["Dockerfile"]
    assert dict(partly.passed_over)["opted out"] == 1
    assert {change.level for change in partly.files[0].changes} == {"safe", "suggested"}
    assert little.files[0].status == "unchanged"
    assert "unknown key 'enable' of [fleet]; there is: enabled" in wrong.reason


def test_one_works_on_a_campaign_at_a_time(tmp_path: Path) -> None:
    folder = begun(tmp_path, {"Dockerfile": PIP})
    with (folder / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "another dfr works on this campaign" in run("plan", folder, code=2).stderr
        assert run("plan", folder, "--dry-run").stdout


def test_the_cache_keeps_to_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from refactor.fleet import clones

    monkeypatch.setattr(clones, "_SELDOM", 1)
    monkeypatch.setattr(clones, "FRESH", 0.0)
    room = clones.Room(str(tmp_path / "cache"), 60, 0, 5_000)
    for number in range(6):
        place = repository(tmp_path / f"{number}.git", {"Dockerfile": PIP, "x": b"%d" % number})
        clones.newest(Repository(f"r{number}", str(place)), room)
    assert 0 < len(list((tmp_path / "cache").iterdir())) < 5


def test_a_clone_is_used_again_while_nothing_has_moved(tmp_path: Path) -> None:
    from refactor.fleet import clones

    room = clones.Room(str(tmp_path / "cache"), 60, 0, 0)
    place = repository(tmp_path / "a.git", {"Dockerfile": PIP})
    found = Repository("a", str(place))
    first = clones.newest(found, room).folder.stat().st_ino
    (tmp_path / "cache" / "a" / "shallow.lock").touch()  # of a git that was killed
    assert clones.newest(found, room).folder.stat().st_ino == first
    base = git("rev-parse", "HEAD", folder=place).decode().strip()
    commit(place, {"Dockerfile": APT})
    assert clones.newest(found, room).folder.stat().st_ino != first
    assert clones.at(found, base, room).folder.is_dir()
    assert git("cat-file", "-t", base, folder=tmp_path / "cache" / "a") == b"commit\n"


# apply


def test_a_commit_for_each_transform_or_one_in_all(tmp_path: Path) -> None:
    tree = {"Dockerfile": APT + b"RUN pip install x\n", "b/Dockerfile": PIP, "100755 x": b""}
    folder = begun(tmp_path, tree)
    run("plan", folder)
    run("apply", folder)
    (each,) = branches(folder)
    assert [commit.transforms for commit in each.commits] == [
        ("skip-pip-cache",), ("merge-apt-update",),
    ]  # fmt: skip
    assert each.commits[0].changes == 2
    assert each.files == ("Dockerfile", "b/Dockerfile")
    config = folder / "campaign.toml"
    config.write_text(
        config.read_text() + '[commits]\neach = "one"\nauthor = "Bot <bot@acme.test>"\n'
        'sign_off = true\nmessage = "chore: {count} in {branch}\\n\\n{changes}"\n'
    )
    run("apply", folder)
    (one,) = branches(folder)
    assert len(one.commits) == 1
    place = next((folder / "cache").iterdir())
    said = git("cat-file", "commit", one.head, folder=place).decode()
    assert f"parent {one.base}\nauthor Bot <bot@acme.test> 1700000000 +0000\n" in said
    assert "\n\nchore: 3 in dfr/test\n\n- Dockerfile: pip's cache stays in the layer\n" in said
    assert said.endswith("\n\nSigned-off-by: Bot <bot@acme.test>\n")
    trees = [git("rev-parse", f"{b.head}^{{tree}}", folder=place) for b in (each, one)]
    assert trees[0] == trees[1]


def test_modes_and_ends_of_lines_stay(tmp_path: Path) -> None:
    folder = begun(tmp_path, {"100755 Dockerfile": PIP.replace(b"\n", b"\r\n") + b"# \xff"})
    run("plan", folder)
    run("apply", folder)
    (branch,) = branches(folder)
    place = next((folder / "cache").iterdir())
    assert git("ls-tree", branch.head, folder=place).startswith(b"100755 blob")
    data = git("cat-file", "blob", f"{branch.head}:Dockerfile", folder=place)
    assert data == (
        b"FROM python:3.12\r\nRUN pip install --no-cache-dir flask\r\n# \xff"
    )  # fmt: skip
    (patch,) = (folder / "results").rglob("change.patch")
    assert b"+RUN pip install --no-cache-dir flask\r\n" in patch.read_bytes()


def test_two_dockerfiles_that_write_one_file_write_it_once(tmp_path: Path) -> None:
    node = b'FROM node:22\nWORKDIR /app\nCOPY . .\nRUN npm ci\nCMD ["node", "x.js"]\n'
    tree = {"Dockerfile": node, "web.Dockerfile": node, "package.json": b"{}", "x.js": b"",
            "package-lock.json": b"{}"}  # fmt: skip
    folder = begun(tmp_path, tree, level="risky", more="")
    run("plan", folder)
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        found = [c for _, c in ledger.changes() if c.transform == "write-dockerignore"]
        assert {change.path for change in found} == {"Dockerfile", "web.Dockerfile"}
        ledger.put_decisions(
            Ruling("site", f"{c.site}/{c.key}", next(iter(plans(folder))).repository, c.path,
                   "accept") for c in found
        )  # fmt: skip
    run("apply", folder)
    (branch,) = branches(folder)
    assert ".dockerignore" in branch.files
    assert [c.transforms for c in branch.commits].count(("write-dockerignore",)) == 1
    assert show(folder, 0, ".dockerignore").count(".git\n") == 1


def test_without_anything_accepted_nothing_is_made(tmp_path: Path) -> None:
    folder = begun(tmp_path, {"Dockerfile": PIP})
    config = folder / "campaign.toml"
    config.write_text(config.read_text().replace('accept = "safe"', 'accept = "none"'))
    run("plan", folder)
    assert "apply: nothing to do" in run("apply", folder).stderr
    assert branches(folder) == []
    assert not (folder / "results").exists()


def test_plans_of_other_settings_are_not_applied(tmp_path: Path) -> None:
    folder = begun(tmp_path, {"Dockerfile": PIP})
    run("plan", folder)
    config = folder / "campaign.toml"
    config.write_text(config.read_text().replace('"safe"\n[review]', '"risky"\n[review]'))
    ended = run("apply", folder)
    assert "without a plan as things are now: 1; `dfr fleet plan` makes it" in ended.stderr
    assert branches(folder) == []


def test_what_is_no_longer_accepted_is_taken_back(tmp_path: Path) -> None:
    folder = begun(tmp_path, {"Dockerfile": PIP})
    run("plan", folder)
    run("apply", folder)
    config = folder / "campaign.toml"
    config.write_text(config.read_text().replace('accept = "safe"', 'accept = "none"'))
    run("apply", folder)
    assert [branch.state for branch in branches(folder)] == ["nothing"]
    assert "nothing to do" in run("apply", folder).stderr


def test_the_same_commits_come_of_a_new_clone(tmp_path: Path) -> None:
    folder = begun(tmp_path, {"Dockerfile": PIP}, {"Dockerfile": APT})
    run("plan", folder)
    run("apply", folder)
    before = branches(folder)
    for path in (folder / "results").rglob("branch.bundle"):
        path.unlink()
    (folder / "cache").rename(tmp_path / "old")
    assert "apply: 2 made" in run("apply", folder).stderr
    assert branches(folder) == before


def test_what_moved_on_meanwhile_is_applied_to_what_was_planned(tmp_path: Path) -> None:
    folder = begun(tmp_path, {"Dockerfile": PIP})
    run("plan", folder)
    commit(tmp_path / "remotes" / "r0.git", {"Dockerfile": APT})
    (tmp_path / "campaign" / "cache").rename(tmp_path / "old")
    run("apply", folder)
    (plan,) = plans(folder)
    (branch,) = branches(folder)
    assert branch.base == plan.base
    assert "--no-cache-dir" in show(folder, 0, "Dockerfile")


def test_a_branch_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    folder = begun(tmp_path, {"Dockerfile": PIP}, {"Dockerfile": PIP})
    run("plan", folder)
    (tmp_path / "campaign" / "cache").rename(tmp_path / "old")
    (tmp_path / "remotes" / "r0.git").rename(tmp_path / "away")
    assert "r0: failed: git clone" in run("apply", folder, code=2).stderr
    assert [branch.state for branch in branches(folder)] == ["failed", "made"]
    (tmp_path / "away").rename(tmp_path / "remotes" / "r0.git")
    assert "apply: 1 made" in run("apply", folder).stderr


def test_a_message_tells_no_forge_to_leave_out_its_checks() -> None:
    from refactor.fleet.commit_messages import without_skip

    for words in ("[skip ci]", "[CI skip]", "[no ci]", "[skip actions]", "[ci-skip]"):
        assert without_skip(f"a {words} b") == f"a ({words[1:-1]}) b"
    assert without_skip('CMD ["a"] [b]') == 'CMD ["a"] [b]'
