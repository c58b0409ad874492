"""The protocol: what a client asks for, and what it is told."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls.capabilities import get_capability
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method
from pygls.uris import to_fs_path

from refactor.config import ConfigError
from refactor.engine import Failed
from refactor.registry import Unusable
from refactor.report.text import harmless
from refactor.server.actions import FIX_ALL, KINDS, Maker
from refactor.server.desk import Desk, Document
from refactor.server.edits import Client
from refactor.server.findings import Finding, findings
from refactor.server.pages import hover
from refactor.server.runs import Answer
from refactor.server.settings import SECTION, settings
from refactor.server.texts import Text

WATCHED = ("**/pyproject.toml", "**/.dockerfile-refactor.toml", "**/*.dockerignore")

log = logging.getLogger(__name__)


class Protocol(LanguageServerProtocol):
    """Keeps the documents at the desk: pygls breaks lines where no client does."""

    _server: Server

    @lsp_method(lsp.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: lsp.DidOpenTextDocumentParams) -> None:
        """Take a document in."""
        found = params.text_document
        text = Text(found.text, self.workspace.position_encoding or lsp.PositionEncodingKind.Utf16)
        document = Document(found.uri, found.version, found.language_id, text)
        self._server.desk.put(document, pause=0)

    @lsp_method(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: lsp.DidChangeTextDocumentParams) -> None:
        """Take what was typed."""
        document = self._server.desk.find(params.text_document.uri)
        if document is not None:
            text = document.text.changed(params.content_changes)
            self._server.desk.put(document.again(params.text_document.version, text))

    @lsp_method(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: lsp.DidCloseTextDocumentParams) -> None:
        """Forget a document, and what was said of it."""
        self._server.desk.drop(params.text_document.uri)
        self._server.text_document_publish_diagnostics(
            lsp.PublishDiagnosticsParams(params.text_document.uri, [])
        )


class Server(LanguageServer):
    """One client's server; `ended` is whether it was asked to shut down."""

    def __init__(self) -> None:
        super().__init__("dfr", version("dockerfile-refactor"), protocol_cls=Protocol)
        self.desk = Desk(self.publish)
        self.client = Client()
        self.initial: Mapping[str, Any] = {}
        self.ended = False

    def can(self, capability: str) -> Any:
        """Return what the client says of a capability."""
        return get_capability(self.client_capabilities, capability)

    def configure(self, table: Mapping[str, Any]) -> None:
        """Take settings; those that are no use are told, and change nothing."""
        try:
            self.desk.settings = settings({**self.initial, **table})
        except (ConfigError, Unusable) as error:
            message = f"dfr: {harmless(str(error))}"
            self.window_show_message(lsp.ShowMessageParams(lsp.MessageType.Error, message))

    def look_around(self) -> None:
        """See which folders are open."""
        folders = [folder.uri for folder in self.workspace.folders.values()]
        paths = map(to_fs_path, folders or filter(None, [self.workspace.root_uri]))
        self.desk.roots = tuple(Path(path) for path in paths if path)

    def publish(self, document: Document, answer: Answer) -> None:
        """Show what was found in a document."""
        for remark in answer.result.remarks:
            if remark.kind == "dropped":
                log.warning("%s: %s: %s", document.uri, remark.transform, remark.reason)
        if isinstance(answer.result, Failed):
            log.error("%s: %s", document.uri, answer.result.reason)
        shown = [found.diagnostic for found in self.findings(document, answer)]
        self.text_document_publish_diagnostics(
            lsp.PublishDiagnosticsParams(document.uri, shown, document.version)
        )

    def findings(self, document: Document, answer: Answer) -> list[Finding]:
        """Return what is shown of a document."""
        return findings(answer.result, document.text, self.desk.settings.refusals)

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what went wrong: no window opens for it."""
        log.error("%s: %s", source.__name__, error, exc_info=error)


def _initialize(ls: Server, params: lsp.InitializeParams) -> None:
    edit = "workspace.workspace_edit"
    kinds = ls.can(f"{edit}.resource_operations") or ()
    ls.client = Client(
        versions=bool(kinds or ls.can(f"{edit}.document_changes")),  # each implies it
        files=lsp.ResourceOperationKind.Create in kinds,
        consent=ls.can(f"{edit}.change_annotation_support") is not None,
    )
    ls.look_around()
    if isinstance(params.initialization_options, dict):
        ls.initial = params.initialization_options
    ls.configure({})


def _initialized(ls: Server, params: lsp.InitializedParams) -> None:
    wanted = []
    if ls.can("workspace.did_change_watched_files.dynamic_registration"):
        watchers = [lsp.FileSystemWatcher(pattern) for pattern in WATCHED]
        method = lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES
        options = lsp.DidChangeWatchedFilesRegistrationOptions(watchers)
        wanted.append(lsp.Registration("files", method, options))
    if ls.can("workspace.did_change_configuration.dynamic_registration"):
        method = lsp.WORKSPACE_DID_CHANGE_CONFIGURATION
        section = lsp.DidChangeConfigurationRegistrationOptions(SECTION)
        wanted.append(lsp.Registration("settings", method, section))
    if wanted:
        ls.client_register_capability(lsp.RegistrationParams(wanted))


def _configuration(ls: Server, params: lsp.DidChangeConfigurationParams) -> None:
    table = params.settings.get(SECTION) if isinstance(params.settings, dict) else None
    if isinstance(table, dict):
        ls.configure(table)
        ls.desk.reread()


def _disk_changed(ls: Server, params: object) -> None:
    ls.look_around()
    ls.desk.reread()


async def _actions(ls: Server, params: lsp.CodeActionParams) -> list[lsp.CodeAction] | None:
    document = ls.desk.find(params.text_document.uri)
    if document is None or not document.is_dockerfile:
        return None

    def wanted(kind: str) -> bool:
        only = params.context.only
        return only is None or any((kind + ".").startswith(o and o + ".") for o in only)

    opened = {other.path: other for other in ls.desk if other.path}
    maker = Maker(document, ls.client, opened)
    actions: list[lsp.CodeAction] = []
    if wanted(lsp.CodeActionKind.QuickFix):
        answer = await ls.desk.answer(document)
        found = ls.findings(document, answer)
        here = [f for f in found if _meet(f.diagnostic.range, params.range)]
        actions += maker.quick_fixes(answer, here)
    asked = params.context.trigger_kind is not lsp.CodeActionTriggerKind.Automatic
    if asked or params.context.only:  # else a cursor has moved, no more
        levels = [level for level, (kind, _) in FIX_ALL.items() if wanted(kind)]
        actions += maker.fix_all({level: await ls.desk.answer(document, level) for level in levels})
    return actions


def _meet(one: lsp.Range, other: lsp.Range) -> bool:
    return one.start <= other.end and other.start <= one.end


async def _hover(ls: Server, params: lsp.HoverParams) -> lsp.Hover | None:
    document = ls.desk.find(params.text_document.uri)
    if document is None or not document.is_dockerfile:
        return None
    found = [
        remark
        for diagnostic, remark in ls.findings(document, await ls.desk.answer(document))
        if remark and diagnostic.range.start.line <= params.position.line
        if params.position.line <= diagnostic.range.end.line
    ]
    if not found:
        return None
    formats = ls.can("text_document.hover.content_format") or ()
    marked = lsp.MarkupKind.Markdown in formats
    kind = lsp.MarkupKind.Markdown if marked else lsp.MarkupKind.PlainText
    text = await ls.desk.work(lambda: hover(found))
    return lsp.Hover(lsp.MarkupContent(kind, text))


def _shutdown(ls: Server, *params: object) -> None:
    ls.ended = True
    ls.desk.close()


class _Harmless(logging.Formatter):
    """What repositories hold is not written raw to a log either."""

    def format(self, record: logging.LogRecord) -> str:
        return harmless(super().format(record))


def serve() -> int:
    """Serve a client over standard input and output; return the exit code."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Harmless("dfr: %(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # Whatever else is written to standard output would be taken for messages.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    server = Server()
    server.feature(lsp.INITIALIZE)(_initialize)
    server.feature(lsp.INITIALIZED)(_initialized)
    server.feature(lsp.SHUTDOWN)(_shutdown)
    server.feature(lsp.WORKSPACE_DID_CHANGE_CONFIGURATION)(_configuration)
    server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)(_disk_changed)
    server.feature(lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)(_disk_changed)
    server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)(_disk_changed)
    server.feature(lsp.TEXT_DOCUMENT_HOVER)(_hover)
    server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions(code_action_kinds=KINDS))(
        _actions
    )
    server.start_io(stdout=out)
    return 0 if server.ended else 1
