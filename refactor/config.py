"""Configuration: `[tool.dockerfile-refactor]` in pyproject.toml, or `.dockerfile-refactor.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from refactor.context import Context
from refactor.model import Safety

FILE = ".dockerfile-refactor.toml"
TABLE = "dockerfile-refactor"
MAX_BYTES = 1024 * 1024
ENGINES = ("buildkit", "buildah", "kaniko", "classic")
_KEYS = ("select", "ignore", "level", "engine", "images", "options", "overrides", "fleet")
_OVERRIDE_KEYS = ("paths", "select", "ignore", "level", "engine", "options")


class ConfigError(ValueError):
    """The configuration cannot be used; the message names the file and what it may hold."""


@dataclass(frozen=True)
class Config:
    """What to do with one file.

    `images` maps names of a company's registry to the public images that they mirror;
    `references` are the images that the Dockerfiles of this run start from; `today` is the date.
    `fleet` is whether campaigns over many repositories may touch this one, `given` which keys there
    are. `detail` is whether the result says of each change what a report or an editor needs.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    level: Safety = Safety.SAFE
    engine: str = "buildkit"
    images: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    overrides: tuple[Mapping[str, Any], ...] = ()
    root: Path | None = None
    references: frozenset[str] = frozenset()
    today: str = ""
    detail: bool = False
    fleet: bool = True
    given: frozenset[str] = frozenset()

    def for_path(self, path: Path) -> Config:
        """Return the configuration with the overrides whose patterns match."""
        if not self.overrides:
            return self
        name = path.resolve()
        inside = self.root is not None and self.root in name.parents
        return self.for_name(str(name.relative_to(self.root or "")) if inside else str(name))

    def for_name(self, relative: str) -> Config:
        """Return the same for a path from the configuration's folder."""
        result = self
        for override in self.overrides:
            if any(_matches(relative, pattern) for pattern in override["paths"]):
                values = {key: value for key, value in override.items() if key != "paths"}
                result = replace(result, **values, given=result.given | values.keys())
        return result


def _matches(path: str, pattern: str) -> bool:
    pure = PurePath(path)
    return fnmatch(path, pattern) or pure.match(pattern)


@lru_cache(maxsize=1024)
def _nearest(folder: Path) -> Path | None:
    for parent in (folder, *folder.parents):
        if (own := parent / FILE).is_file():
            return own
        if (project := parent / "pyproject.toml").is_file() and _table(project) is not None:
            return project
        if (parent / ".git").exists():
            return None
    return None


@lru_cache(maxsize=256)
def _table(path: Path) -> dict[str, Any] | None:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    return _own(text, path)


def _own(text: str, path: Path) -> dict[str, Any] | None:
    """Return our table in a file's text, None if there is none."""
    import tomllib

    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}") from None
    if path.name != "pyproject.toml":
        return data
    tool = data.get("tool")
    found = tool.get(TABLE) if isinstance(tool, dict) else None
    return found if isinstance(found, dict) else None


def load(path: Path) -> Config:
    """Return the configuration of the nearest folder upwards, inside the file's repository."""
    found = _nearest(path.resolve().parent)
    return read(found) if found else Config()


@lru_cache(maxsize=256)
def read(path: Path) -> Config:
    """Return what a configuration file says."""
    table = _table(path)
    if table is None:
        raise ConfigError(f"{path}: no table [tool.{TABLE}]")
    return parse(table, path)


def load_in(tree: Context, path: str) -> tuple[Config, str]:
    """Return what holds for a file of a tree, as `load` finds it, and the folder that says so."""
    folder = path
    while folder:
        folder = folder.rpartition("/")[0]
        for name in (FILE, "pyproject.toml"):
            place = f"{folder}/{name}".lstrip("/")
            if tree.kind(place) != "file":
                continue
            table = _own(tree.head(place, MAX_BYTES).decode("utf-8", "replace"), Path(place))
            if table is not None:
                return parse(table, Path(place)), folder
    return Config(), ""


def forget() -> None:
    """Forget what was read: the next file's configuration is that of the disk."""
    for kept in (_nearest, _table, read):
        kept.cache_clear()


def parse(table: Mapping[str, Any], path: Path) -> Config:
    """Check a table; unknown keys are errors that name the known ones."""
    values = _checked(table, _KEYS, path)
    fleet = _fleet(values.pop("fleet", {}), path)
    items = values.pop("overrides", [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ConfigError(f"{path}: overrides are tables: [[overrides]]")
    overrides = tuple(_checked(item, _OVERRIDE_KEYS, path) for item in items)
    for item in overrides:
        if "paths" not in item:
            raise ConfigError(f"{path}: an override needs `paths`")
    known = {f.name for f in fields(Config)}
    return Config(**{k: v for k, v in values.items() if k in known}, overrides=overrides,
                  root=path.resolve().parent, fleet=fleet,
                  given=frozenset(values))  # fmt: skip


def _fleet(table: Any, path: Path) -> bool:
    if not isinstance(table, dict) or not isinstance(table.get("enabled", True), bool):
        raise ConfigError(f"{path}: [fleet] enabled is true or false")
    for key in table:
        if key != "enabled":
            raise ConfigError(f"{path}: unknown key {key!r} of [fleet]; there is: enabled")
    return bool(table.get("enabled", True))


def _checked(table: Mapping[str, Any], keys: tuple[str, ...], path: Path) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in keys:
            raise ConfigError(f"{path}: unknown key {key!r}; there are: {', '.join(keys)}")
        values[key] = _value(key, value, path)
    return values


def _value(key: str, value: Any, path: Path) -> Any:
    if key == "level":
        return level(value, str(path))
    if key == "engine" and value not in ENGINES:
        raise ConfigError(f"{path}: engine is one of {', '.join(ENGINES)}, not {value!r}")
    if key in ("select", "ignore", "paths"):
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise ConfigError(f"{path}: {key} is a list of strings")
        return tuple(value)
    if key in ("images", "options"):
        what, kind = ("strings", str) if key == "images" else ("tables", dict)
        if not isinstance(value, dict) or not all(isinstance(v, kind) for v in value.values()):
            raise ConfigError(f"{path}: {key} is a table of {what}")
    return value


def level(name: object, where: str) -> Safety:
    """Return the level of that name."""
    if isinstance(name, str) and name.upper() in Safety.__members__:
        return Safety[name.upper()]
    raise ConfigError(f"{where}: level is one of safe, suggested, risky, not {name!r}")
