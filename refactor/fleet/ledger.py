"""The ledger of a campaign: a SQLite file, written by one process, a repository a transaction.

Each kind of record is a table of its name with a column for each field; tuples are JSON. What is
recorded outlives a killed process; readers see whole transactions only.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from refactor.config import ConfigError
from refactor.fleet.records import (
    Branch,
    Change,
    Commit,
    File,
    Plan,
    Remark,
    Repository,
    Request,
    Ruling,
)

SCHEMA = 1
_PAGE = 500


class LedgerError(ConfigError):
    """The ledger cannot be used; the message says why."""


class _Table(NamedTuple):
    """A table: its name, the record in a row, and what else there is to know.

    `owner` is whether a column in front names the repository; `inside` are fields with tables of
    their own.
    """

    name: str
    record: Any
    key: str
    owner: bool = False
    inside: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, in order."""
        own = tuple(name for name in self.record._fields if name not in self.inside)
        return ("repository", *own) if self.owner else own

    def create(self) -> str:
        """Return the statement that makes it."""
        types = _types(self.record)
        kinds = {str: "TEXT", int: "INTEGER", bool: "INTEGER", float: "REAL"}
        rows = [f'"{name}" {kinds.get(types.get(name, str), "TEXT")}' for name in self.columns]
        return f'CREATE TABLE "{self.name}" ({", ".join(rows)}{self.key})'

    def insert(self) -> str:
        """Return the statement that puts a row, in place of one with the same key."""
        names = ", ".join(f'"{name}"' for name in self.columns)
        return (
            f'INSERT OR REPLACE INTO "{self.name}" ({names}) '
            f"VALUES ({', '.join('?' * len(self.columns))})"
        )

    def row(self, record: Any, owner: str = "") -> list[Any]:
        """Return a record's values for its columns."""
        values = [_stored(getattr(record, name)) for name in self.columns[self.owner :]]
        return [owner, *values] if self.owner else values

    def made(self, row: Sequence[Any]) -> Any:
        """Return the record of a row."""
        types = _types(self.record)
        values = {
            name: _loaded(types[name], value)
            for name, value in zip(self.columns[self.owner :], row[self.owner :], strict=True)
        }
        return self.record(**values)


_REPOSITORIES = _Table("repositories", Repository, ', "position" INTEGER PRIMARY KEY, UNIQUE("id")')
_PLANS = _Table("plans", Plan, ', PRIMARY KEY("repository")', inside=("files",))
_FILES = _Table(
    "files", File, ', PRIMARY KEY("repository", "path")', True, inside=("changes", "remarks")
)
_CHANGES = _Table("changes", Change, ', PRIMARY KEY("repository", "path", "number")', True)
_REMARKS = _Table("remarks", Remark, "", True)
_BRANCHES = _Table("branches", Branch, ', PRIMARY KEY("repository")')
_REQUESTS = _Table("requests", Request, ', PRIMARY KEY("repository")')
_DECISIONS = _Table("decisions", Ruling, ', PRIMARY KEY("kind", "subject", "repository", "path")')
_TABLES = (
    _REPOSITORIES, _PLANS, _FILES, _CHANGES, _REMARKS, _BRANCHES, _REQUESTS, _DECISIONS,
)  # fmt: skip
_OTHERS = (
    'CREATE TABLE "meta" ("key" TEXT PRIMARY KEY, "value" TEXT)',
    'CREATE INDEX "changes_exact" ON "changes" ("exact")',
    'CREATE INDEX "changes_shape" ON "changes" ("shape")',
    'CREATE INDEX "remarks_repository" ON "remarks" ("repository", "path")',
)


class Ledger:
    """An open ledger. All methods raise LedgerError if the file cannot be read or written."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection

    @staticmethod
    def create(path: Path) -> Ledger:
        """Make a new ledger; raise LedgerError if there is one."""
        if path.exists():
            raise LedgerError(f"{path}: is there already")
        ledger = Ledger(path, _connected(path))
        with ledger.transaction():
            for statement in (*(table.create() for table in _TABLES), *_OTHERS):
                ledger._db.execute(statement)
            ledger._db.execute(f"PRAGMA user_version = {SCHEMA}")
        return ledger

    @staticmethod
    def open(path: Path) -> Ledger:
        """Open a ledger; raise LedgerError if it is none, or one of another version."""
        if not path.is_file():
            raise LedgerError(f"{path}: no such file; `dfr fleet init` writes one")
        ledger = Ledger(path, _connected(path))
        with _told(path):
            version = ledger._db.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA:
            ledger.close()
            raise LedgerError(f"{path}: version {version} of a ledger; this program reads {SCHEMA}")
        return ledger

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Ledger:
        """Use it in a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is put in the block is recorded together, or not at all; blocks do not nest."""
        with _told(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def rows(self, query: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield what a SELECT finds, for reports: row by row."""
        with _told(self.path):
            yield from self._db.execute(query, tuple(values))

    def get(self, key: str, default: str = "") -> str:
        """Return a value that `put` recorded."""
        found = next(self.rows('SELECT "value" FROM "meta" WHERE "key" = ?', [key]), None)
        return default if found is None else str(found[0])

    def put(self, key: str, value: str) -> None:
        """Record a value of the campaign's."""
        with _told(self.path):
            self._db.execute('INSERT OR REPLACE INTO "meta" VALUES (?, ?)', [key, value])

    def put_repositories(self, found: Iterable[Repository]) -> None:
        """Record repositories; those that are known keep their place."""
        names = ", ".join(f'"{name}"' for name in _REPOSITORIES.columns)
        marks = ", ".join("?" * len(_REPOSITORIES.columns))
        changed = ", ".join(f'"{n}" = excluded."{n}"' for n in _REPOSITORIES.columns if n != "id")
        with _told(self.path):
            self._db.executemany(
                f'INSERT INTO "repositories" ({names}) VALUES ({marks}) '
                f'ON CONFLICT("id") DO UPDATE SET {changed}',
                (_REPOSITORIES.row(one) for one in found),
            )

    def repositories(self) -> Iterator[Repository]:
        """Yield the repositories in their order; others may be put meanwhile."""
        yield from self._paged("1")

    def repository(self, id: str) -> Repository | None:
        """Return a repository by its id."""
        found: Repository | None = self._one(_REPOSITORIES, '"id" = ?', id)
        return found

    def unplanned(self, version: str, settings: str) -> Iterator[Repository]:
        """Yield the repositories without a plan of this version and these settings.

        Those that failed are among them, those that are left out are not.
        """
        yield from self._paged(
            '"skipped" = \'\' AND NOT EXISTS (SELECT 1 FROM "plans" WHERE "repository" = "id" '
            'AND "state" <> \'failed\' AND "version" = ? AND "settings" = ?)',
            version,
            settings,
        )

    def _paged(self, condition: str, *values: str) -> Iterator[Repository]:
        """Yield by pages: what is written between two of them disturbs nothing."""
        names = ", ".join(f'"{name}"' for name in _REPOSITORIES.columns)
        last = 0
        while True:
            found = list(
                self.rows(
                    f'SELECT "position", {names} FROM "repositories" WHERE "position" > ? '
                    f'AND {condition} ORDER BY "position" LIMIT {_PAGE}',
                    [last, *values],
                )
            )
            for row in found:
                last = row[0]
                yield _REPOSITORIES.made(row[1:])
            if len(found) < _PAGE:
                return

    def put_plan(self, plan: Plan) -> None:
        """Record a plan, with its files, in place of an earlier one."""
        owner = plan.repository
        with _told(self.path):
            for table in (_FILES, _CHANGES, _REMARKS):
                self._db.execute(f'DELETE FROM "{table.name}" WHERE "repository" = ?', [owner])
            self._put(_PLANS, [plan])
            self._put(_FILES, plan.files, owner)
            self._put(_CHANGES, (c for file in plan.files for c in file.changes), owner)
            self._put(_REMARKS, (r for file in plan.files for r in file.remarks), owner)

    def plan(self, repository: str) -> Plan | None:
        """Return a repository's plan, with its files."""
        found: Plan | None = self._one(_PLANS, '"repository" = ?', repository)
        return found and found._replace(files=self.files(repository))

    def plans(self) -> Iterator[Plan]:
        """Yield the plans in the order of the repositories, without their files."""
        for one in self.repositories():
            found: Plan | None = self._one(_PLANS, '"repository" = ?', one.id)
            if found is not None:
                yield found

    def files(self, repository: str) -> tuple[File, ...]:
        """Return the files of a repository's plan, with changes and remarks."""
        changes: dict[str, list[Change]] = {}
        for change in self._all(_CHANGES, '"repository" = ? ORDER BY "number"', repository):
            changes.setdefault(change.path, []).append(change)
        remarks: dict[str, list[Remark]] = {}
        for remark in self._all(_REMARKS, '"repository" = ? ORDER BY rowid', repository):
            remarks.setdefault(remark.path, []).append(remark)
        return tuple(
            file._replace(
                changes=tuple(changes.get(file.path, ())),
                remarks=tuple(remarks.get(file.path, ())),
            )
            for file in self._all(_FILES, '"repository" = ? ORDER BY "path"', repository)
        )

    def changes(self, condition: str = "1", *values: Any) -> Iterator[tuple[str, Change]]:
        """Yield changes with their repositories; the condition is one of SQL on their columns."""
        names = ", ".join(f'"{name}"' for name in _CHANGES.columns)
        for row in self.rows(f'SELECT {names} FROM "changes" WHERE {condition}', values):
            yield row[0], _CHANGES.made(row)

    def put_branch(self, branch: Branch) -> None:
        """Record a branch, in place of an earlier one."""
        self._put(_BRANCHES, [branch])

    def branch(self, repository: str) -> Branch | None:
        """Return a repository's branch."""
        found: Branch | None = self._one(_BRANCHES, '"repository" = ?', repository)
        return found

    def branches(self) -> Iterator[Branch]:
        """Yield the branches in the order of the repositories."""
        for one in self.repositories():
            found = self.branch(one.id)
            if found is not None:
                yield found

    def put_request(self, request: Request) -> None:
        """Record a pull or merge request, in place of an earlier one."""
        self._put(_REQUESTS, [request])

    def request(self, repository: str) -> Request | None:
        """Return a repository's request."""
        found: Request | None = self._one(_REQUESTS, '"repository" = ?', repository)
        return found

    def requests(self) -> Iterator[Request]:
        """Yield the requests in the order of the repositories."""
        for one in self.repositories():
            found = self.request(one.id)
            if found is not None:
                yield found

    def put_decisions(self, rulings: Iterable[Ruling]) -> None:
        """Record decisions; each takes the place of an earlier one on the same."""
        self._put(_DECISIONS, rulings)

    def delete_decision(self, ruling: Ruling) -> None:
        """Take a decision back."""
        with _told(self.path):
            self._db.execute(
                'DELETE FROM "decisions" WHERE "kind" = ? AND "subject" = ? AND "repository" = ? '
                'AND "path" = ?',
                [ruling.kind, ruling.subject, ruling.repository, ruling.path],
            )

    def decisions(self) -> Iterator[Ruling]:
        """Yield the decisions, in the order in which they were taken."""
        yield from self._all(_DECISIONS, '1 ORDER BY "at", rowid')

    def _put(self, table: _Table, records: Iterable[Any], owner: str = "") -> None:
        with _told(self.path):
            self._db.executemany(table.insert(), (table.row(one, owner) for one in records))

    def _all(self, table: _Table, condition: str, *values: Any) -> Iterator[Any]:
        names = ", ".join(f'"{name}"' for name in table.columns)
        for row in self.rows(f'SELECT {names} FROM "{table.name}" WHERE {condition}', values):
            yield table.made(row)

    def _one(self, table: _Table, condition: str, *values: Any) -> Any:
        return next(self._all(table, condition, *values), None)


def _connected(path: Path) -> sqlite3.Connection:
    with _told(path):
        found = sqlite3.connect(path, timeout=30, isolation_level=None)
        found.execute("PRAGMA journal_mode = WAL")
        found.execute("PRAGMA synchronous = NORMAL")  # a killed process loses nothing
        return found


@cache
def _types(record: Any) -> dict[str, Any]:
    return get_type_hints(record)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise LedgerError(f"{path}: {error}") from None


def _stored(value: Any) -> Any:
    if isinstance(value, tuple):
        return json.dumps(value)
    if isinstance(value, str):  # a name that is no UTF-8 cannot be stored as it is
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def _loaded(kind: Any, value: Any) -> Any:
    if kind is bool:
        return bool(value)
    if kind is str or kind is int or kind is float:
        return value
    items = json.loads(value)
    if kind == tuple[Commit, ...]:
        return tuple(Commit(id, tuple(transforms), count) for id, transforms, count in items)
    return tuple(tuple(item) if isinstance(item, list) else item for item in items)
