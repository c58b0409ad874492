"""A small forge of the tests' own: repositories over `git http-backend`, and requests in memory.

It speaks as much of GitHub's API as is needed, and can be told to fail at any request: before or
after it is carried out. Each request is held to GitHub's description of its API.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.github_api import Fault, problems

_BACKEND = "/usr/lib/git-core/git-http-backend"
_HOOK = """#!/bin/sh
# branch protection: what is named in the file nobody pushes to
if grep -qxF "$1" protected 2> /dev/null; then echo "protected branch" >&2; exit 1; fi
"""


def git(folder: Path, *words: str, input: str = "") -> str:
    """Run git in a repository of the forge."""
    name = ("-c", "user.name=Someone", "-c", "user.email=someone@example.invalid")
    result = subprocess.run(
        ["git", *name, "-C", str(folder), *words], input=input, capture_output=True, text=True,
        check=True, env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull},
    )  # fmt: skip
    return result.stdout.strip()


@dataclass
class Forge:
    """What is on the forge. A fault goes with a pattern of `METHOD path`, and happens once."""

    folder: Path
    token: str
    pulls: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    comments: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    archived: set[str] = field(default_factory=set)
    victim: int = 0
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def api(self) -> str:
        """The address of the API."""
        return f"{self.address}/api"

    def path(self, name: str) -> Path:
        """Return where a repository is."""
        return self.folder / f"{name}.git"

    def create(self, name: str, files: dict[str, str]) -> str:
        """Make a repository with one commit, and return the commit."""
        path = self.path(name)
        path.mkdir(parents=True)
        git(path, "init", "-q", "--bare", "-b", "main")
        for key in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant", "http.receivepack"):
            git(path, "config", key, "true")
        hook = path / "hooks" / "update"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(_HOOK)
        hook.chmod(0o755)
        self.pulls[name] = []
        return self.commit(name, "main", files) if files else ""

    def commit(self, name: str, branch: str, files: dict[str, str]) -> str:
        """Add a commit to a branch, as a person would."""
        path, ref = self.path(name), f"refs/heads/{branch}"
        there = branch in self.heads(name)
        rows = [f"commit {ref}", "committer Someone <s@example.invalid> 1700000000 +0000"]
        rows += ["data 3", "new", *([f"from {ref}^0"] if there else [])]
        for file, text in files.items():
            rows += [f"M 100644 inline {file}", f"data {len(text.encode())}", text]
        git(path, "fast-import", "--quiet", "--force", input="\n".join(rows) + "\n")
        return self.heads(name)[branch]

    def heads(self, name: str) -> dict[str, str]:
        """Return the branches of a repository."""
        rows = git(
            self.path(name),
            "for-each-ref",
            "--format=%(refname:lstrip=2) %(objectname)",
            "refs/heads",
        )
        return dict(row.rsplit(" ", 1) for row in rows.splitlines())

    def protect(self, name: str, branch: str) -> None:
        """Let nobody push to a branch."""
        (self.path(name) / "protected").write_text(f"refs/heads/{branch}\n")

    def merge(self, name: str, number: int) -> None:
        """Merge a request."""
        pull = self.pull(name, number)
        git(self.path(name), "update-ref", "refs/heads/main", self._head(name, pull))
        pull.update(state="closed", merged_at="2026-11-27T00:00:00Z")

    def pull(self, name: str, number: int) -> dict[str, Any]:
        """Return a request, with the head that its branch has now."""
        pull = self.pulls[name][number - 1]
        if pull["state"] == "open":
            head = self._head(name, pull)
            if head:
                pull["head"]["sha"] = head
            else:
                pull["state"] = "closed"  # a branch that is deleted closes its request
        return pull

    def _head(self, name: str, pull: dict[str, Any]) -> str:
        return self.heads(name).get(pull["head"]["ref"], "")

    def conflicts(self, name: str, pull: dict[str, Any]) -> bool:
        """Whether a request cannot be merged."""
        command = ["git", "merge-tree", "--write-tree", "main", pull["head"]["sha"]]
        return subprocess.run(command, cwd=self.path(name), capture_output=True).returncode == 1


class Answered(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Api:
    """The requests of the API: a method for each, found by its pattern."""

    def __init__(self, forge: Forge) -> None:
        self.forge = forge

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        table: tuple[tuple[str, str, Callable[..., tuple[int, Any]]], ...] = (
            ("GET", r"/orgs/([^/]+)/repos", self.repositories),
            ("GET", r"/repos/(.+)/pulls", self.listed),
            ("POST", r"/repos/(.+)/pulls", self.opened),
            ("GET", r"/repos/(.+)/pulls/(\d+)", self.one),
            ("PATCH", r"/repos/(.+)/pulls/(\d+)", self.changed),
            ("POST", r"/repos/(.+)/pulls/(\d+)/requested_reviewers", self.reviewers),
            ("POST", r"/repos/(.+)/issues/(\d+)/labels", self.labels),
            ("GET", r"/repos/(.+)/issues/(\d+)/comments", self.comments),
            ("POST", r"/repos/(.+)/issues/(\d+)/comments", self.commented),
            ("GET", r"/repos/(.+)/commits/([^/]+)/check-runs", self.runs),
            ("GET", r"/repos/(.+)/commits/([^/]+)/status", self.status),
        )
        for known, pattern, work in table:
            match = re.fullmatch(pattern, path)
            if known == method and match:
                return work(*match.groups(), query, body)
        raise Answered(404, "Not Found")

    def repositories(self, owner: str, query: Any, body: Any) -> tuple[int, Any]:
        names = [name for name in self.forge.pulls if name.startswith(f"{owner}/")]
        return 200, [
            {
                "full_name": name, "html_url": f"{self.forge.address}/{name}",
                "clone_url": f"{self.forge.address}/{name}.git",
                "archived": name in self.forge.archived, "fork": False, "disabled": False,
            }
            for name in names
        ]  # fmt: skip

    def listed(self, name: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        owner, _, branch = query["head"].partition(":")
        assert name.startswith(f"{owner}/")
        pulls = [self.forge.pull(name, one["number"]) for one in self.forge.pulls[name]]
        return 200, [pull for pull in pulls if pull["head"]["ref"] == branch]

    def opened(self, name: str, query: Any, body: Any) -> tuple[int, Any]:
        heads = self.forge.heads(name)
        if body["head"] not in heads or body["base"] not in heads:
            raise Answered(422, "Validation Failed")
        pulls = self.forge.pulls[name]
        for pull in pulls:
            is_open = self.forge.pull(name, pull["number"])["state"] == "open"
            if is_open and pull["head"]["ref"] == body["head"]:
                raise Answered(422, f"A pull request already exists for {body['head']}")
        pull = {
            "number": len(pulls) + 1, "title": body["title"], "body": body["body"],
            "html_url": f"{self.forge.address}/{name}/pull/{len(pulls) + 1}", "state": "open",
            "draft": body["draft"], "merged_at": None, "labels": [], "reviewers": [],
            "head": {"ref": body["head"], "sha": heads[body["head"]]},
        }  # fmt: skip
        pulls.append(pull)
        return 201, pull

    def one(self, name: str, number: str, query: Any, body: Any) -> tuple[int, Any]:
        pull = self.forge.pull(name, int(number))
        dirty = pull["state"] == "open" and self.forge.conflicts(name, pull)
        return 200, {
            **pull,
            "mergeable": not dirty,
            "mergeable_state": "dirty" if dirty else "clean",
        }

    def changed(self, name: str, number: str, query: Any, body: Any) -> tuple[int, Any]:
        pull = self.forge.pull(name, int(number))
        pull.update(body)
        return 200, pull

    def reviewers(self, name: str, number: str, query: Any, body: Any) -> tuple[int, Any]:
        if "nobody" in body["reviewers"]:
            raise Answered(422, "Reviews may only be requested from collaborators.")
        self.forge.pull(name, int(number))["reviewers"] += (
            body["reviewers"] + body["team_reviewers"]
        )
        return 201, {}

    def labels(self, name: str, number: str, query: Any, body: Any) -> tuple[int, Any]:
        pull = self.forge.pull(name, int(number))
        pull["labels"] = sorted({*pull["labels"], *body["labels"]})
        return 200, []

    def comments(self, name: str, number: str, query: Any, body: Any) -> tuple[int, Any]:
        return 200, [{"body": text} for text in self.forge.comments.get((name, int(number)), [])]

    def commented(self, name: str, number: str, query: Any, body: Any) -> tuple[int, Any]:
        self.forge.comments.setdefault((name, int(number)), []).append(body["body"])
        return 201, {}

    def runs(self, name: str, head: str, query: Any, body: Any) -> tuple[int, Any]:
        state = self.forge.checks.get(name)
        return 200, {"check_runs": [{"conclusion": state}] if state else []}

    def status(self, name: str, head: str, query: Any, body: Any) -> tuple[int, Any]:
        return 200, {"state": "pending", "total_count": 0}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    forge: Forge

    def _asked(self) -> None:
        parts = urlsplit(self.path)
        what = f"{self.command} {unquote(parts.path)}"
        body = self._body()
        with self.forge.lock:
            self.forge.asked.append(what)
            fault = self._fault(what + f"?{parts.query}" * bool(parts.query))
            if fault.status:
                headers = [*fault.headers, ("Content-Type", "application/json")]
                return self._answer(
                    fault.status, headers, json.dumps({"message": fault.message}).encode()
                )
            if fault.how == "kill before":
                os.kill(self.forge.victim, signal.SIGKILL)
                return self._gone()
            is_api = parts.path.startswith("/api/")
            status, headers, data = self._of_api(body) if is_api else self._of_git(body)
            if fault.how == "kill after":
                os.kill(self.forge.victim, signal.SIGKILL)
            if fault.how in ("lost", "kill after"):
                return self._gone()
            return self._answer(status, headers, data, cut=fault.how == "cut")

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _asked  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def _fault(self, what: str) -> Fault:
        for number, (pattern, fault) in enumerate(self.forge.faults):
            if re.search(pattern, what):
                del self.forge.faults[number]
                return fault
        return Fault()

    def _gone(self) -> None:
        self.close_connection = True

    def _of_api(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        target = self.path.removeprefix("/api")
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.forge.wrong += problems(self.command, target, body, headers)
        if headers.get("authorization") != f"Bearer {self.forge.token}":
            status, data = 401, {"message": "Bad credentials"}
        else:
            parts = urlsplit(target)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            try:
                status, data = _Api(self.forge).answer(
                    self.command, unquote(parts.path), query, json.loads(body) if body else None
                )
            except Answered as answered:
                status, data = answered.status, {"message": str(answered)}
        return status, [("Content-Type", "application/json")], json.dumps(data).encode()

    def _of_git(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        parts = urlsplit(self.path)
        writes = "git-receive-pack" in self.path
        if writes and not self._is_known():
            return 401, [("WWW-Authenticate", 'Basic realm="forge"')], b""
        environment = {
            **os.environ, "GIT_PROJECT_ROOT": str(self.forge.folder), "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command, "PATH_INFO": unquote(parts.path),
            "QUERY_STRING": parts.query, "CONTENT_TYPE": self.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)), "GIT_CONFIG_GLOBAL": os.devnull,
            "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
            "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
            **({"REMOTE_USER": "dfr"} if writes else {}),
        }  # fmt: skip
        result = subprocess.run(
            [_BACKEND], input=body, capture_output=True, env=environment, check=True
        )
        head, _, data = result.stdout.partition(b"\r\n\r\n")
        headers = [tuple(row.split(": ", 1)) for row in head.decode().splitlines()]
        status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
        return status, [pair for pair in headers if pair[0] != "Status"], data  # type: ignore[misc]

    def _is_known(self) -> bool:
        kind, _, value = self.headers.get("authorization", "").partition(" ")
        if kind != "Basic":
            return False
        return base64.b64decode(value).decode().partition(":")[2] == self.forge.token

    def _answer(
        self, status: int, headers: list[tuple[str, str]], data: bytes, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = self.close_connection or cut

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path, token: str) -> Iterator[Forge]:
    """Serve until the block ends."""
    forge = Forge(folder, token)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"forge": forge}))
    forge.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
