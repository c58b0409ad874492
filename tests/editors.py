"""An editor for tests: a client of the language server, with buffers of its own.

It makes edits by the words of the protocol, independently of how the server counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

T = TypeVar("T")
COMMAND = (sys.executable, "-m", "refactor.cli", "server")
TIMEOUT = 60.0
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|\Z)")
_UNITS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}
ALL = lsp.ClientCapabilities(
    workspace=lsp.WorkspaceClientCapabilities(
        workspace_edit=lsp.WorkspaceEditClientCapabilities(
            document_changes=True,
            resource_operations=[lsp.ResourceOperationKind.Create],
            change_annotation_support=lsp.ChangeAnnotationsSupportOptions(),
        ),
        did_change_watched_files=lsp.DidChangeWatchedFilesClientCapabilities(
            dynamic_registration=True
        ),
        did_change_configuration=lsp.DidChangeConfigurationClientCapabilities(
            dynamic_registration=True
        ),
    ),
    text_document=lsp.TextDocumentClientCapabilities(
        hover=lsp.HoverClientCapabilities(content_format=[lsp.MarkupKind.Markdown])
    ),
)


def index(text: str, position: lsp.Position, encoding: str) -> int:
    """Return where a place is in a text; a place outside of its line is a mistake."""
    lines = [match[0] for match in _LINE.finditer(text)]
    if len(lines) > 1 and lines[-1] == "" and not lines[-2].endswith(("\n", "\r")):
        lines.pop()  # the end was found twice
    codec, width = _UNITS[encoding]
    line = lines[position.line].rstrip("\r\n").encode(codec, "surrogatepass")
    assert position.character * width <= len(line)
    inside = line[: position.character * width].decode(codec, "surrogatepass")
    return sum(map(len, lines[: position.line])) + len(inside)


def edited(text: str, edits: Sequence[Any], encoding: str) -> str:
    """Return a text with edits made, all of whose places are in the text as it is."""
    spans = sorted(
        (index(text, e.range.start, encoding), index(text, e.range.end, encoding), e.new_text)
        for e in edits
    )
    parts, at = [], 0
    for start, end, new in spans:
        assert at <= start <= end, "edits overlap"
        parts += [text[at:start], new]
        at = end
    return "".join([*parts, text[at:]])


class Editor:
    """A client with a process of its own; its methods wait for what they ask for."""

    def __init__(
        self, folder: Path, options: Mapping[str, Any] | None = None,
        capabilities: lsp.ClientCapabilities = ALL, encodings: Sequence[str] = (),
        command: Sequence[str] = COMMAND,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.command = command
        self.texts: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.published: list[lsp.PublishDiagnosticsParams] = []
        self.messages: list[str] = []
        self.registered: list[lsp.Registration] = []
        self.log = ""
        self._runner = asyncio.Runner()
        self._client = LanguageClient("tests", "1")
        self._listen()
        self._start(options, capabilities, encodings)

    def _listen(self) -> None:
        told = {
            lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS: lambda params: self.published.append(params),
            lsp.WINDOW_SHOW_MESSAGE: lambda params: self.messages.append(params.message),
            lsp.CLIENT_REGISTER_CAPABILITY: lambda p: self.registered.extend(p.registrations),
        }
        for method, take in told.items():
            self._client.feature(method)(take)

    def _start(
        self, options: Mapping[str, Any] | None, capabilities: lsp.ClientCapabilities,
        encodings: Sequence[str],
    ) -> None:  # fmt: skip
        async def start() -> lsp.InitializeResult:
            await self._client.start_io(*self.command, cwd=self.folder)
            general = lsp.GeneralClientCapabilities(
                position_encodings=[lsp.PositionEncodingKind(name) for name in encodings] or None
            )
            folder = lsp.WorkspaceFolder(self.folder.as_uri(), "tests")
            found = await self._client.initialize_async(
                lsp.InitializeParams(
                    lsp.ClientCapabilities(
                        workspace=capabilities.workspace,
                        text_document=capabilities.text_document,
                        general=general,
                    ),
                    root_uri=self.folder.as_uri(),
                    workspace_folders=[folder],
                    initialization_options=options,
                )
            )
            self._client.initialized(lsp.InitializedParams())
            return found

        self.result = self.wait(start())
        self.encoding = str(self.result.capabilities.position_encoding or "utf-16")

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Run until something is there."""

        async def run() -> T:
            return await asyncio.wait_for(awaitable, TIMEOUT)

        return self._runner.run(run())

    def rest(self, seconds: float) -> None:
        """Only listen."""
        self.wait(asyncio.sleep(seconds))

    def uri(self, name: str) -> str:
        """Return what a file of the folder is called; what is none keeps its name."""
        return name if ":" in name else (self.folder / name).as_uri()

    def open(self, name: str, text: str | None = None, language: str = "dockerfile") -> None:
        """Open a file, or a text under its name."""
        if text is None:
            text = (self.folder / name).read_bytes().decode()
        uri = self.uri(name)
        self.texts[uri], self.versions[uri] = text, 1
        item = lsp.TextDocumentItem(uri, language, 1, text)
        self._client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))

    def type(self, name: str, *changes: tuple[lsp.Range, str] | str) -> None:
        """Change a document: ranges of it one after the other, or the whole of it."""
        uri = self.uri(name)
        told: list[lsp.TextDocumentContentChangeEvent] = []
        for change in changes:
            if isinstance(change, str):
                self.texts[uri] = change
                told.append(lsp.TextDocumentContentChangeWholeDocument(change))
            else:
                place, text = change
                edit = lsp.TextEdit(place, text)
                self.texts[uri] = edited(self.texts[uri], [edit], self.encoding)
                told.append(lsp.TextDocumentContentChangePartial(place, text))
        self.versions[uri] += 1
        document = lsp.VersionedTextDocumentIdentifier(self.versions[uri], uri)
        self._client.text_document_did_change(lsp.DidChangeTextDocumentParams(document, told))

    def close(self, name: str) -> None:
        """Close a document."""
        uri = self.uri(name)
        del self.texts[uri], self.versions[uri]
        document = lsp.TextDocumentIdentifier(uri)
        self._client.text_document_did_close(lsp.DidCloseTextDocumentParams(document))

    def save(self, name: str) -> None:
        """Write a document."""
        uri = self.uri(name)
        (self.folder / name).write_bytes(self.texts[uri].encode())
        document = lsp.TextDocumentIdentifier(uri)
        self._client.text_document_did_save(lsp.DidSaveTextDocumentParams(document))

    def notice(self, name: str) -> None:
        """Tell that a file of the folder has changed on the disk."""
        event = lsp.FileEvent(self.uri(name), lsp.FileChangeType.Changed)
        self._client.workspace_did_change_watched_files(lsp.DidChangeWatchedFilesParams([event]))

    def configure(self, settings: Any) -> None:
        """Send settings."""
        self._client.workspace_did_change_configuration(lsp.DidChangeConfigurationParams(settings))

    def diagnostics(self, name: str, after: int = 0) -> Sequence[lsp.Diagnostic]:
        """Wait for what is said of a document's version, behind what was said before."""
        uri = self.uri(name)

        def there() -> lsp.PublishDiagnosticsParams | None:
            found = (p for p in self.published[after:] if p.uri == uri)
            return next((p for p in found if p.version == self.versions.get(uri)), None)

        return self.until(there).diagnostics

    def until(self, there: Callable[[], T | None]) -> T:
        """Wait until a function finds something."""
        end = time.monotonic() + TIMEOUT
        while not (found := there()):
            assert time.monotonic() < end, "nothing came"
            self.rest(0.02)
        return found

    def actions(
        self, name: str, place: lsp.Range | None = None, only: Sequence[str] | None = None,
        trigger: lsp.CodeActionTriggerKind | None = None,
    ) -> list[lsp.CodeAction]:  # fmt: skip
        """Ask for what can be done: to all of a document, or at a place."""
        whole = lsp.Range(lsp.Position(0, 0), lsp.Position(len(self.texts[self.uri(name)]), 0))
        found = self.wait(
            self._client.text_document_code_action_async(
                lsp.CodeActionParams(
                    lsp.TextDocumentIdentifier(self.uri(name)),
                    place or whole,
                    lsp.CodeActionContext([], only and [*only], trigger),
                )
            )
        )
        return [action for action in found or [] if isinstance(action, lsp.CodeAction)]

    def hover(self, name: str, line: int) -> str | None:
        """Point at a line."""
        document = lsp.TextDocumentIdentifier(self.uri(name))
        found = self.wait(
            self._client.text_document_hover_async(lsp.HoverParams(document, lsp.Position(line, 0)))
        )
        if found is None:
            return None
        assert isinstance(found.contents, lsp.MarkupContent)
        return found.contents.value

    def done(self, edit: lsp.WorkspaceEdit | None) -> dict[str, str]:
        """Return the texts that an edit leads to, by their names in the folder."""
        assert edit is not None
        texts: dict[str, str] = {}
        for uri, edits in (edit.changes or {}).items():
            texts[uri] = edited(self._read(uri), edits, self.encoding)
        for change in edit.document_changes or []:
            if isinstance(change, lsp.CreateFile):
                assert not self._path(change.uri).exists()
                texts[change.uri] = ""
                continue
            assert isinstance(change, lsp.TextDocumentEdit)
            uri = change.text_document.uri
            assert change.text_document.version == self.versions.get(uri)
            before = texts[uri] if uri in texts else self._read(uri)
            texts[uri] = edited(before, change.edits, self.encoding)
        return {self._name(uri): text for uri, text in texts.items()}

    def _name(self, uri: str) -> str:
        return unquote(uri.removeprefix(self.folder.as_uri() + "/"))

    def _path(self, uri: str) -> Path:
        return self.folder / self._name(uri)

    def _read(self, uri: str) -> str:
        return self.texts[uri] if uri in self.texts else self._path(uri).read_bytes().decode()

    @property
    def process(self) -> asyncio.subprocess.Process:
        """Return the server."""
        assert self._client._server is not None
        return self._client._server

    def quit(self) -> int:
        """End as a client does, and return the exit code."""
        self.wait(self._client.shutdown_async(None))
        self._client.exit(None)
        return self.ended()

    def ended(self) -> int:
        """Wait for the end of the server, and return its exit code."""
        code = self.wait(self.process.wait())
        assert self.process.stderr is not None
        self.log = self.wait(self.process.stderr.read()).decode()
        return code

    def __enter__(self) -> Editor:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.returncode is None:
            code = self.quit()
            assert error[0] is None, self.log
            assert (code, self.log) == (0, ""), self.log
        with contextlib.suppress(Exception):
            self.wait(self._client.stop())  # type: ignore[no-untyped-call]
        self._runner.close()


def at(line: int, start: int, end: int | None = None) -> lsp.Range:
    """Return a place in one line."""
    stop = start if end is None else end
    return lsp.Range(lsp.Position(line, start), lsp.Position(line, stop))
