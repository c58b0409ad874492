"""Tokens, owners, the text of requests, and the commands."""

from __future__ import annotations

import json
import os
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from refactor.cli import app
from refactor.config import ConfigError
from refactor.decisions import Decided, Decision
from refactor.fleet import phases
from refactor.fleet.campaign import Campaign, Requests, Source
from refactor.fleet.clones import newest
from refactor.fleet.commit_messages import without_skip
from refactor.fleet.forge.base import ForgeError, place
from refactor.fleet.forge.client import Pace
from refactor.fleet.forge.codeowners import owners
from refactor.fleet.forge.servers import Servers, repositories, servers
from refactor.fleet.forge.tokens import git_environment, push_environment, token
from refactor.fleet.git import GitError
from refactor.fleet.ledger import Ledger
from refactor.fleet.records import Branch, Change, File, Plan, Remark, Repository
from refactor.fleet.request_text import BEGIN, END, MAX_BODY, joined, words
from tests.fleet_clock import StillClock
from tests.fleet_desk import DOCKERFILE
from tests.github_api import Api, Fault, serving

GITHUB = "https://api.github.com"
CORP = "https://git.corp.example/api/v4"
VARIABLES = (
    "GITHUB_TOKEN", "GH_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN", "GITLAB_TOKEN",
    "FORGEJO_TOKEN", "GITEA_TOKEN",
)  # fmt: skip


@pytest.fixture(autouse=True)
def nobody_knows_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


def test_a_token_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert token("github", GITHUB, True) == ""
    monkeypatch.setenv("GH_TOKEN", "two")
    assert token("github", GITHUB, True) == "two"
    monkeypatch.setenv("GITHUB_TOKEN", "one\n")
    assert token("github", GITHUB, True) == "one"
    monkeypatch.setenv("OURS", "three")
    assert token("github", GITHUB, True, "env:OURS") == "three"
    with pytest.raises(ForgeError, match=r"the variable THEIRS, which campaign\.toml names"):
        token("github", GITHUB, True, "env:THEIRS")


def test_the_token_of_github_goes_to_no_other_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "one")
    assert token("github", "https://git.corp.example/api/v3", False) == ""
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", "two")
    assert token("github", "https://git.corp.example/api/v3", False) == "two"
    assert token("gitlab", CORP, False) == ""


def test_a_token_comes_from_a_credential_helper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text(
        '[credential "https://github.com"]\n\thelper = "!echo password=kept; echo username=me; #"\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    assert token("github", GITHUB, True) == "kept"
    assert token("gitlab", CORP, False) == ""


def asked(address: str, more: dict[str, str]) -> str:
    """Return the password that git finds for an address."""
    result = subprocess.run(
        ["git", "credential", "fill"], input=f"url={address}\n\n", text=True, capture_output=True,
        env={**os.environ, **more, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true"}, check=False,
    )  # fmt: skip
    rows = dict(row.partition("=")[::2] for row in result.stdout.splitlines())
    return rows.get("password", "")


def test_git_gives_the_token_to_one_host_only() -> None:
    more = dict(push_environment("https://github.com/acme/shop.git", GITHUB, "s3cret"))
    assert asked("https://github.com/acme/shop.git", more) == "s3cret"
    assert asked("https://elsewhere.example/acme/shop.git", more) == ""
    assert asked("http://github.com/acme/shop.git", more) == ""
    assert "s3cret" not in "".join(v for k, v in more.items() if k.startswith("GIT_"))


@pytest.mark.parametrize(
    "address",
    [
        "https://elsewhere.example/acme/shop.git", "http://github.com/acme/shop.git",
        "git@github.com:acme/shop.git", "ssh://git@github.com/acme/shop.git", "/srv/shop.git",
    ],
)  # fmt: skip
def test_a_push_elsewhere_gets_no_token(address: str) -> None:
    assert push_environment(address, GITHUB, "s3cret") == {}


def test_a_fetch_gets_the_usual_token(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "https://github.com/acme/shop.git"
    assert git_environment(address, "github", "") == {}
    monkeypatch.setenv("GITHUB_TOKEN", "s3cret")
    assert asked(address, dict(git_environment(address, "github", ""))) == "s3cret"
    assert git_environment(address, "", "") == {}
    assert git_environment("https://git.corp.example/a/b.git", "github", CORP) == {}


class Locked(Api):
    """A server of git that has nothing; `tokens` are those who came."""

    def problems(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> list[str]:
        return []

    def example(self, method: str, path: str) -> tuple[int, Any]:
        return 404, {}


def test_a_fetch_gets_the_token_that_the_campaign_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORGEJO_TOKEN", "usual")
    monkeypatch.setenv("OURS", "s3cret")
    with serving(Locked()) as server:
        url = f"{server.address}/api/v1"
        source = Source(forgejo="acme", url=f"{url}/", token="env:OURS")
        campaign = Campaign(tmp_path, "slim", source=(source,))
        with Ledger.create(campaign.ledger) as ledger:
            room = phases.settings(campaign, ledger, "1").room
        assert "s3cret" not in repr(room)
        one = Repository("x", f"{server.address}/acme/shop.git", "forgejo", server=url)
        server.faults.append(Fault(401, (("WWW-Authenticate", 'Basic realm="git"'),)))
        with pytest.raises(GitError):
            newest(one, room)
        password = b64encode(b"x-access-token:s3cret").decode()
        assert server.tokens[:2] == [None, f"Basic {password}"]
        count = len(server.tokens)
        monkeypatch.delenv("OURS")
        with pytest.raises(GitError, match="the variable OURS, which campaign"):
            newest(one, room)
        assert len(server.tokens) == count


def test_a_campaign_names_the_token_of_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "s3cret")
    source = Source(gitlab="acme", url=f"{CORP}/", token="env:OURS")
    found = Servers((source,), lambda words: None, Pace(StillClock()))
    repository = Repository("x", "https://git.corp.example/acme/shop.git", "gitlab", server=CORP)
    assert found.push_environment(repository)["DFR_PUSH_TOKEN"] == "s3cret"
    other = repository._replace(address="https://git.other.example/acme/shop.git")
    assert found.push_environment(other) == {}
    assert found.forge("gitlab", CORP) is found.forge("gitlab", CORP)


def test_there_is_never_more_than_a_change_a_second() -> None:
    campaign = Campaign(Path("/c"), "slim", request=Requests(seconds_between=0.1))
    assert servers(campaign, lambda words: None).pace.between == 1.0


def test_a_server_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refactor.fleet.forge.client.SystemClock", StillClock)
    monkeypatch.setattr("refactor.fleet.forge.servers.SystemClock", StillClock)
    source = Source(github="acme", url="http://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1: GET /orgs/acme/repos: ConnectError"):
        list(repositories(source, lambda words: None))


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/acme/shop.git", "https://github.com/acme/shop/", "git@h:acme/shop.git",
        "ssh://git@github.com:22/acme/shop.git", "h:acme/shop",
    ],
)  # fmt: skip
def test_a_repository_has_a_place(address: str) -> None:
    assert place(address) == "acme/shop"


OWNERS = """\
# whose is what
*            @all
/docs/       @writers/en @wendy
*.Dockerfile @ops mail@example.com
/a\\ b/       @space

[Images][2] @ida
Dockerfile
/legacy/Dockerfile @leo
^[Roles]
*.yml @@maintainer @ro
!/legacy/
"""


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["src/x.py"], ("all",)),
        (["docs/x.md"], ("wendy",)),
        (["a b/x"], ("space",)),
        (["api/web.Dockerfile"], ("ops",)),
        (["api/Dockerfile"], ("all", "ida")),
        (["legacy/Dockerfile", "ci.yml"], ("all", "leo", "ro")),
        (["legacy/ci.yml"], ("all",)),
        ([], ()),
    ],
)
def test_code_owners(paths: list[str], found: tuple[str, ...]) -> None:
    assert owners(OWNERS, paths) == found


def change(**more: Any) -> Change:
    usual = Change("Dockerfile", 0, "use-copy", "safe", "it is a file", 3, "s", "k", "e", "f")
    return usual._replace(**more)


def text_of(
    *changes: Change, folder: Path = Path("/c"), remarks: tuple[Remark, ...] = (), **request: Any
) -> Any:
    campaign = Campaign(folder, "slim", request=Requests(**request))
    made = tuple(c._replace(site=str(n), key=str(n)) for n, c in enumerate(changes))
    plan = Plan("h/a", "planned", files=(File("Dockerfile", "changed", "", "", made, remarks),))
    decided = Decided("", tuple(Decision(True, c.transform, c.site, c.key) for c in made))
    branch = Branch("h/a", "made", files=("Dockerfile",))
    return words(campaign, plan, branch, {"Dockerfile": decided})


def test_a_request_says_what_is_changed_and_left_alone() -> None:
    remark = Remark(
        "Dockerfile", "refusal", "merge-runs", "opaque", 7, "a word is not known", "Quote it."
    )
    found = text_of(
        change(), change(level="suggested", assumes=("it is small",)), remarks=(remark,)
    )
    assert found.title == "Dockerfiles: use-copy"
    assert found.draft is True
    for row in (
        "This changes 1 file: 2 changes (1 safe, 1 suggested).",
        "- `Dockerfile:3` `use-copy`: it is a file\n",
        "- `Dockerfile:3` **suggested** `use-copy`: it is a file\n",
        "- [ ] it is small\n",
        "- `Dockerfile:7` `merge-runs`: a word is not known Quote it.\n",
        "[fleet]\nenabled = false\n",
    ):
        assert row in found.body
    assert found.body.startswith(BEGIN)
    assert "What real builds showed" not in found.body


def test_only_what_was_accepted_is_said() -> None:
    plan = Plan("h/a", "planned", files=(File("Dockerfile", "changed", changes=(change(),)),))
    other = Decided("", (Decision(True, "use-copy", "s", "another key"),))
    campaign = Campaign(Path("/c"), "slim")
    found = words(campaign, plan, Branch("h/a", "made"), {"Dockerfile": other})
    assert "use-copy" not in found.body


@pytest.mark.parametrize(("wanted", "draft"), [("auto", False), (True, True), (False, False)])
def test_whether_it_is_a_draft(wanted: object, draft: bool) -> None:
    assert text_of(change(), draft=wanted).draft is draft
    assert text_of(change(level="risky"), draft=wanted).draft is (wanted != False)  # noqa: E712


def test_text_of_a_repository_makes_no_markup_and_skips_no_ci() -> None:
    body = text_of(
        change(reason="hello @ada, see #1 <img src=x> [skip ci]", path="a\n@b/[ci skip]")
    ).body
    assert "hello `@ada,` see `#1 <img src=x> (skip ci)`\n" in body
    assert "[skip ci]" not in body
    assert "[ci skip]" not in body
    assert "\n@b" not in body
    with pytest.raises(ConfigError, match="keep CI from running"):
        text_of(change(), title="Tidy [skip ci]")


@pytest.mark.parametrize(
    "text", ["[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[SKIP CI]"]
)
def test_all_words_that_skip_ci_are_known(text: str) -> None:
    assert without_skip(text).startswith("(")


def test_a_template_is_filled(tmp_path: Path) -> None:
    (tmp_path / "body.md").write_text("For {campaign}: {changes}\n{verify}")
    found = text_of(change(), folder=tmp_path, body="body.md", title="{campaign}: {count}")
    assert found.title == "slim: 1"
    assert "For `slim`: - `Dockerfile:3`" in found.body
    assert "dfr fix --check --level safe --select use-copy ." in found.body
    (tmp_path / "body.md").write_text("{nothing}")
    with pytest.raises(ConfigError, match=r"there is no \{nothing\}; there are: assumptions"):
        text_of(change(), folder=tmp_path, body="body.md")
    with pytest.raises(ConfigError, match="No such file"):
        text_of(change(), folder=tmp_path, body="none.md")


def test_a_long_body_is_cut_by_rows() -> None:
    many = [change(reason=f"number {n} " + "word " * 100) for n in range(400)]
    found = text_of(*many)
    assert len(found.body) < MAX_BODY + 200
    assert "- and 3" in found.body


def test_proofs_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "h%2Fa"
    folder.mkdir(parents=True)
    proof = {"path": "Dockerfile", "verdict": "equivalent", "reason": "both images are the same"}
    (folder / "proof.json").write_text(json.dumps({"version": 1, "proofs": [proof]}))
    body = text_of(change(), folder=tmp_path).body
    assert "- `Dockerfile`: **equivalent**: both images are the same" in body
    (folder / "proof.json").write_text("{}")
    with pytest.raises(ConfigError, match="is no report of `dfr prove`"):
        text_of(change(), folder=tmp_path)


def test_what_is_written_around_our_part_stays() -> None:
    old, new = f"{BEGIN}\nold\n{END}\n", f"{BEGIN}\nnew\n{END}\n"
    assert joined(new, old) == new
    assert joined(new, f"Before\r\n{old}After") == f"Before\r\n{new}After"
    assert joined(new, "Theirs.") == "Theirs."
    assert joined(new, f"{END}{BEGIN}") == f"{END}{BEGIN}"
    assert joined(new, "") == new


def git(folder: Path, *words: str) -> str:
    name = ("-c", "user.name=A", "-c", "user.email=a@example.invalid")
    command = ["git", *name, "-C", str(folder), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        work = tmp_path / name
        work.mkdir()
        (work / "Dockerfile").write_text(DOCKERFILE)
        git(work, "init", "-q", "-b", "main")
        git(work, "add", ".")
        git(work, "commit", "-qm", "first")
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / "list").write_text(f"{tmp_path}/one\n{tmp_path}/two\n")
    (folder / "campaign.toml").write_text(
        'name = "slim"\n[[source]]\nlist = "list"\n[review]\naccept = "safe"\n'
    )
    for phase in ("init", "plan", "apply"):
        assert run(phase, str(folder)).exit_code == 0
    return folder


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["fleet", *words])


def test_the_commands(campaign: Path, tmp_path: Path) -> None:
    found = run("publish", str(campaign), "--dry-run")
    assert (found.exit_code, found.stdout.count("would: ")) == (0, 2)
    found = run("publish", str(campaign), "--limit", "1")
    assert found.stdout.count("pushed: ") == 1
    assert "publish: 1 pushed in" in found.stderr
    assert run("publish", str(campaign)).stdout.count("pushed: ") == 1
    assert "dfr/slim" in git(tmp_path / "one", "branch")
    assert run("status", str(campaign)).stdout.count("open: ") == 2
    assert "refresh: 2 unchanged" in run("refresh", str(campaign), "--dry-run").stderr
    git(tmp_path / "one", "commit", "-q", "--allow-empty", "-m", "more")
    found = run("refresh", str(campaign))
    assert (found.stdout.count("unchanged: "), found.stdout.count("pushed: ")) == (1, 1)
    found = run("rollback", str(campaign))
    assert found.exit_code == 2
    assert "give --yes" in found.stderr
    found = run("rollback", str(campaign), "--yes", "--only", "*/one")
    assert found.stdout.count("closed: ") == 1
    assert "dfr/slim" not in git(tmp_path / "one", "branch")
    assert "dfr/slim" in git(tmp_path / "two", "branch")
    log = [json.loads(row) for row in (campaign / "log.jsonl").read_text().splitlines()]
    assert {row["phase"] for row in log} >= {"publish", "status", "refresh", "rollback"}


def test_what_fails_is_said_and_the_exit_code(campaign: Path, tmp_path: Path) -> None:
    (tmp_path / "one").rename(tmp_path / "moved")
    found = run("publish", str(campaign))
    assert found.exit_code == 2
    assert "one: failed: git ls-remote: fatal:" in found.stderr
    assert found.stdout.count("pushed: ") == 1
