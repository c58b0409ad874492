"""What campaign.toml may say."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from refactor.config import ConfigError
from refactor.fleet.campaign import Campaign, load, parse
from refactor.model import Safety

NAME = 'name = "slim"\n'


def read(text: str, folder: Path = Path("/c")) -> Campaign:
    return parse(tomllib.loads(NAME + text), folder / "campaign.toml")


def test_a_name_is_enough() -> None:
    found = read("")
    assert (found.ours, found.folder) == ("dfr/slim", Path("/c"))
    assert found.refactor.safety is Safety.SAFE
    assert found.source == ()


def test_all_tables() -> None:
    found = read("""
branch = "tools/slim"
[[source]]
list = "repositories.txt"
[[source]]
github = "acme"
token = "env:ACME_TOKEN"
exclude = ["acme/old-*"]
[refactor]
level = "suggested"
ignore = ["merge-runs"]
[request]
draft = true
seconds_between = 2
[limits]
pilot = "5%"
stop_on_failure_ratio = 0.2
""")
    assert found.ours == "tools/slim"
    assert [source.forge for source in found.source] == ["", "github"]
    assert found.source[1].exclude == ("acme/old-*",)
    assert found.request.seconds_between == 2.0
    assert found.request.draft is True
    assert found.limits.pilot == "5%"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour = 1", "unknown key 'colour'; there are: name, branch"),
        ("[limits]\nsecond = 1", "[limits]: unknown key 'second'; there are: seconds, "),
        ('[limits]\nseconds = "1"', "[limits] seconds is a whole number"),
        ("[limits]\nfiles = -1", "[limits] files is not below 0"),
        ('[limits]\npilot = "five"', '"5%"'),
        ("[limits]\nstop_on_failure_ratio = 2", "between 0 and 1"),
        ("source = 1", "[[source]]"),
        ('[[source]]\nlist = "a"\ngithub = "b"', "has one of list, github, gitlab, forgejo"),
        ('[[source]]\ngithub = "b"\ntoken = "ghp_x"', 'token = "env:NAME"'),
        ('[refactor]\nlevel = "wild"', "safe, suggested, risky"),
        ('[refactor]\nselect = "all"', "list of strings"),
        ('[commits]\neach = "file"', "transform or one"),
        ('[commits]\nauthor = "me"', "Name <mail>"),
        ('[commits]\nauthor = "me <a@b>\\n <c@d>"', "Name <mail>"),
        ('[review]\naccept = "all"', "none or safe"),
        ('[request]\ndraft = "maybe"', "auto, true or false"),
        ('branch = "a..b"', "characters that git does not take"),
        ('branch = "-x"', "a part that git does not take"),
        ('branch = "a/b.lock"', "a part that git does not take"),
        ("run = 3", "run is a table: [run]"),
    ],
)
def test_what_cannot_be_is_named(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as told:
        read(text)
    assert words in str(told.value)
    assert "campaign.toml" in str(told.value)


def test_a_name_is_needed() -> None:
    with pytest.raises(ConfigError, match="name is needed"):
        parse({}, Path("/c/campaign.toml"))


def test_no_campaign(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dfr fleet init"):
        load(tmp_path)
    (tmp_path / "campaign.toml").write_text(NAME + '[refactor]\nconfig = "none.toml"')
    with pytest.raises(ConfigError, match="no file none"):
        load(tmp_path)


def test_settings_tell_what_decides_on_a_plan(tmp_path: Path) -> None:
    (tmp_path / "company.toml").write_text('level = "safe"\n')
    text = '[refactor]\nconfig = "company.toml"\n'
    first = read(text, tmp_path).settings
    assert read(text + "[limits]\nseconds = 5", tmp_path).settings == first
    assert read(text + 'ignore = ["merge-runs"]', tmp_path).settings != first
    (tmp_path / "company.toml").write_text('level = "risky"\n')
    assert read(text, tmp_path).settings != first


def test_the_folder_of_a_repository_is_one_part_of_a_path() -> None:
    found = read("")
    assert found.result("host/a b/../c").name == "host%2Fa%20b%2F..%2Fc"
    assert found.result("..").name == "%2E."
    assert found.result("x" * 900).name != found.result("x" * 901).name
    assert len(found.result("x" * 900).name) < 255
