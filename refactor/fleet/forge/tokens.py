"""Tokens: from the environment, or from git's credential helpers; shown and written nowhere."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from urllib.parse import urlsplit

from refactor.fleet.forge.base import ForgeError

_PUBLIC = {"github": ("GITHUB_TOKEN", "GH_TOKEN")}
# The ones of GitHub are for github.com alone, as its own command line has it.
_OWN = {
    "github": ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"),
    "gitlab": ("GITLAB_TOKEN",),
    "forgejo": ("FORGEJO_TOKEN", "GITEA_TOKEN"),
}
_SECONDS = 30
PUSHED = "DFR_PUSH_TOKEN"  # the variable from which git reads the token of a push
_HELPER = (
    f'!f() {{ test "$1" = get && echo username=x-access-token && echo "password=${PUSHED}"; }}; f'
)


def token(kind: str, server: str, public: bool, named: str = "") -> str:
    """Return the token for a server, empty if there is none.

    `named` is `env:NAME`, the variable that the campaign names; it must be there. Otherwise the
    usual variables are looked for, and then git's credential helpers are asked.
    """
    return _named(named) or _usual(kind, public) or _from_git(server)


def _named(named: str) -> str:
    """Return what the variable that the campaign names holds; empty where it names none."""
    name = named.removeprefix("env:")
    if name and not os.environ.get(name):
        raise ForgeError(f"the variable {name}, which campaign.toml names, is not set")
    return os.environ[name].strip() if name else ""


def _usual(kind: str, public: bool) -> str:
    usual = _PUBLIC.get(kind, ()) if public else ()
    names = usual or _OWN.get(kind, ())
    return next((os.environ[name].strip() for name in names if os.environ.get(name)), "")


def git_environment(address: str, kind: str, server: str, named: str = "") -> Mapping[str, str]:
    """Return what git needs to fetch from a repository, from variables alone.

    `named` is as for `token`. Where no variable is named, and none of the usual ones is there, git
    asks its credential helpers by itself. `server` is the API's address, empty for the public one.
    """
    public = {"github": "https://github.com", "gitlab": "https://gitlab.com",
              "forgejo": "https://codeberg.org"}  # fmt: skip
    if not kind:
        return {}
    found = _named(named) or _usual(kind, not server)
    return push_environment(address, server or public[kind], found)


def _from_git(server: str) -> str:
    """Ask git's credential helpers; they ask nobody in turn."""
    parts = urlsplit(server)
    host = "github.com" if parts.hostname == "api.github.com" else parts.netloc
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "SSH_ASKPASS": "true"}
    try:
        result = subprocess.run(
            ["git", "credential", "fill"],
            input=f"protocol={parts.scheme}\nhost={host}\n\n",
            capture_output=True, text=True, timeout=_SECONDS, env={**os.environ, **quiet},
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = dict(line.partition("=")[::2] for line in result.stdout.splitlines())
    return lines.get("password", "")


def push_environment(address: str, server: str, token: str) -> Mapping[str, str]:
    """Return what git needs in its environment to push to an address with a token.

    git itself sees to it that the token goes to this host only: the helper is that of the host. An
    address on another host than the server's, or one that is not HTTP, gets none.
    """
    here, there = urlsplit(address), urlsplit(server)
    host = "github.com" if there.hostname == "api.github.com" else there.netloc
    if not token or here.scheme != there.scheme or here.netloc.rpartition("@")[2] != host:
        return {}
    key = f"credential.{here.scheme}://{host}.helper"
    return {
        PUSHED: token,
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": key,  # an empty one: nobody else is asked, or told
        "GIT_CONFIG_VALUE_0": "",
        "GIT_CONFIG_KEY_1": key,
        "GIT_CONFIG_VALUE_1": _HELPER,
    }
