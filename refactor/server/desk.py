"""The open documents, and what is worked out about them while they are typed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from pygls.uris import to_fs_path

from refactor.discover import is_dockerfile, may_hold
from refactor.model import Safety
from refactor.project import is_holder
from refactor.server.runs import Answer, Disk, answer
from refactor.server.settings import Settings
from refactor.server.texts import Text

T = TypeVar("T")
PAUSE = 0.3  # seconds without a change, before a document is looked at


@dataclass(eq=False)
class Document:
    """An open document in one state: a change, also of what it is read with, makes another.

    `answers` are kept by level; None is the one that is configured.
    """

    uri: str
    version: int
    language: str
    text: Text
    answers: dict[Safety | None, asyncio.Future[Answer]] = field(default_factory=dict)
    report: asyncio.Task[None] | None = None
    stale: bool = False

    @cached_property
    def path(self) -> Path | None:
        """Where it is on the disk, or will be."""
        found = to_fs_path(self.uri)
        return Path(found) if found else None

    @property
    def is_dockerfile(self) -> bool:
        """Whether the client says so, or its name does, or it holds Dockerfiles."""
        name = self.uri.rpartition("/")[2] if self.path is None else self.path.name
        holds = may_hold(name) and is_holder(name, self.text.text.encode("utf-8", "replace"))
        return self.language == "dockerfile" or is_dockerfile(name) or holds

    def again(self, version: int | None = None, text: Text | None = None) -> Document:
        """Return its next state."""
        number = self.version if version is None else version
        return Document(self.uri, number, self.language, text or self.text)

    def abandon(self) -> None:
        """Let go of what is worked out about this state."""
        self.stale = True
        for future in (self.report, *self.answers.values()):
            if future is not None:
                future.cancel()


class Desk:
    """Has the engine run on what is open, one text at a time, and each only if it is still wanted.

    One thread does it: more would share the same lock, and the engine's caches.
    """

    def __init__(self, publish: Callable[[Document, Answer], None]) -> None:
        self.publish = publish
        self.settings = Settings()
        self.roots: tuple[Path, ...] = ()
        self._documents: dict[str, Document] = {}
        self._disk = Disk()
        self._thread = ThreadPoolExecutor(max_workers=1)

    def find(self, uri: str) -> Document | None:
        """Return an open document."""
        return self._documents.get(uri)

    def __iter__(self) -> Iterator[Document]:
        """Yield all open documents."""
        yield from self._documents.values()

    def put(self, document: Document, pause: float = PAUSE) -> None:
        """Take a document's new state, and report on it once it has rested."""
        self.drop(document.uri)
        self._documents[document.uri] = document
        if document.is_dockerfile:
            document.report = asyncio.create_task(self._report(document, pause))

    def drop(self, uri: str) -> Document | None:
        """Forget a document, and return its last state."""
        document = self._documents.pop(uri, None)
        if document is not None:
            document.abandon()
        return document

    def reread(self) -> None:
        """Look at everything again: settings have changed, or files."""
        self._disk.forget()
        for document in list(self):
            self.put(document.again())

    def close(self) -> None:
        """Stop all work."""
        for document in list(self):
            self.drop(document.uri)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def answer(self, document: Document, level: Safety | None = None) -> Answer:
        """Return what the engine says of a document, at a level; it is asked once."""
        if document.stale:
            raise asyncio.CancelledError
        if level not in document.answers:
            document.answers[level] = self.work(lambda: self._run(document, level))
        # whoever asked may lose interest, but others wait for the same
        return await asyncio.shield(document.answers[level])

    def work(self, task: Callable[[], T]) -> asyncio.Future[T]:
        """Do in the thread what may take its time."""
        return asyncio.get_running_loop().run_in_executor(self._thread, task)

    def _run(self, document: Document, level: Safety | None) -> Answer:
        self._disk.settle()
        wishes = replace(self.settings.wishes, roots=self.roots, detail=level is None)
        if level is not None:
            wishes = replace(wishes, level=level)
        return answer(document.path, document.text.text, wishes, lambda: document.stale)

    async def _report(self, document: Document, pause: float) -> None:
        await asyncio.sleep(pause)
        self.publish(document, await self.answer(document))
