"""A server that holds each request to GitHub's own description of its API.

It answers with the examples of that description, and can be told to fail first. The description is
a part of the npm package @octokit/openapi (MIT), fetched once and kept in the user's cache.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest

VERSION = "23.0.2"
MEMBER = "package/generated/api.github.com.json"


@cache
def description() -> dict[str, Any]:
    """Return the description; without it a test is skipped, and in CI it fails."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = folder / "dockerfile-refactor" / f"octokit-openapi-{VERSION}.json"
    if not kept.is_file():
        try:
            data = _fetched()
        except (OSError, subprocess.SubprocessError, tarfile.TarError, KeyError) as error:
            say = pytest.fail if os.environ.get("CI") else pytest.skip
            say(f"there is no description of GitHub's API: {error}")
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.with_suffix(f".{os.getpid()}").write_bytes(data)
        kept.with_suffix(f".{os.getpid()}").replace(kept)
    found: dict[str, Any] = json.loads(kept.read_bytes())
    return found


def _fetched() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"@octokit/openapi@{VERSION}"]
        subprocess.run(command, cwd=folder, check=True, timeout=300, capture_output=True)
        archive = next(Path(folder).glob("*.tgz"))
        with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as tar:
            member = tar.extractfile(MEMBER)
            assert member is not None
            return member.read()


class Fault(NamedTuple):
    """What happens instead of an answer, once; with neither status nor `how` it is answered."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    message: str = ""
    how: str = ""  # cut: half of the answer; silent: none in time; lost: done, but no answer


class Api:
    """What a server was asked, and what of it was wrong: here by GitHub's description."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.wrong: list[str] = []
        self.faults: deque[Fault] = deque()
        self.examples: dict[tuple[str, str], Any] = {}
        self.address = ""
        self.tokens: list[str | None] = []
        self.released = threading.Event()

    def problems(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> list[str]:
        """Return what the description does not allow in a request."""
        return list(problems(method, target, body, headers))

    def example(self, method: str, path: str) -> tuple[int, Any]:
        """Return the status and the example of an operation that succeeds."""
        return example(method, path)


@cache
def _validator() -> Any:
    from openapi_core import Config, OpenAPI

    # the description is GitHub's own: what is validated is our requests
    return OpenAPI.from_dict(description(), config=Config(spec_validator_cls=None))


def problems(method: str, target: str, body: bytes, headers: dict[str, str]) -> Iterator[str]:
    """Yield what the description does not allow in a request."""
    from openapi_core.testing import MockRequest

    parts = urlsplit(target)
    request = MockRequest(
        "https://api.github.com", method.lower(), parts.path, args=dict(parse_qsl(parts.query)),
        headers=headers, data=body or None, content_type=headers.get("content-type", ""),
    )  # fmt: skip
    for error in _validator().iter_request_errors(request):
        yield f"{method} {target}: {error}"
    operation = operation_of(method, parts.path)
    known = {parameter["name"] for parameter in map(resolved, operation.get("parameters", ()))}
    for name, _ in parse_qsl(parts.query):
        if name not in known:
            yield f"{method} {target}: there is no parameter {name}"


def resolved(value: Any) -> Any:
    """Follow a reference inside the description."""
    while isinstance(value, dict) and "$ref" in value:
        found: Any = description()
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value


def operation_of(method: str, path: str) -> dict[str, Any]:
    """Return the operation of a path; empty if there is none."""
    parts = path.strip("/").split("/")
    best: tuple[int, dict[str, Any]] = (-1, {})
    for pattern, methods in description()["paths"].items():
        names = pattern.strip("/").split("/")
        if len(names) == len(parts) and method.lower() in methods:
            fixed = sum(a == b for a, b in zip(names, parts, strict=True))
            if all(a == b or a[0] == "{" for a, b in zip(names, parts, strict=True)):
                best = max(best, (fixed, methods[method.lower()]), key=lambda pair: pair[0])
    return best[1]


def example(method: str, path: str) -> tuple[int, Any]:
    """Return the status and the example of an operation that succeeds."""
    responses = operation_of(method, path)["responses"]
    status = min(code for code in responses if code.startswith("2"))
    content = resolved(responses[status]).get("content", {}).get("application/json", {})
    examples = content.get("examples", {})
    found = resolved(next(iter(examples.values()), {}))
    return int(status), found.get("value")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: Api

    def _asked(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        api, path = self.api, urlsplit(self.path).path
        headers = {name.lower(): value for name, value in self.headers.items()}
        api.asked.append((self.command, self.path, json.loads(body) if body else None))
        api.tokens.append(headers.get("authorization"))
        api.wrong += api.problems(self.command, self.path, body, headers)
        fault = api.faults.popleft() if api.faults else Fault()
        if fault.how in ("silent", "lost"):
            if fault.how == "silent":
                api.released.wait(60)
            self.close_connection = True
            return
        status, data = api.example(self.command, path)
        data = api.examples.get((self.command, path), data)
        if fault.status:
            status, data = fault.status, {"message": fault.message}
        self._answer(status, data, fault)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _asked  # noqa: N815

    def _answer(self, status: int, data: Any, fault: Fault) -> None:
        text = b"" if data is None else json.dumps(data).encode()
        self.send_response(status)
        for name, value in (("Content-Type", "application/json"), *fault.headers):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text[: len(text) // 2] if fault.how == "cut" else text)
        self.close_connection = self.close_connection or fault.how == "cut"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(api: Api) -> Iterator[Api]:
    """Serve until the block ends."""
    handler = type("Handler", (_Handler,), {"api": api})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    api.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield api
    finally:
        api.released.set()
        server.shutdown()
        server.server_close()
