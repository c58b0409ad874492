"""What a container's process needs of its user: where it writes, and why it may have to be root."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import NamedTuple

HOME = "~"
# Everybody may write there, or nobody does.
_FREE = re.compile(r"/(?:tmp|var/tmp|dev|proc|sys)(?:/|\Z)")
# Folders of the system, and those that hold the folders of many: they stay those of root.
_SYSTEM = re.compile(
    r"/(?:(?:bin|boot|etc|lib\w*|root|sbin)(?:/.*)?"
    r"|usr(?!/src/.|/share/.+/|/local/(?!bin|lib|sbin|etc)[^/]+)(?:/.*)?"
    r"|(?:home|mnt|media|opt|run|srv|var)(?:/(?:lib|log|cache|run|spool|www|local|opt))?)?\Z"
)
ROOT_HOME = re.compile(r"(?<![\w/.-])(?:/root|~root)(?![\w.-])|(?<![\w/.\\-])~/|\$\{?HOME\}?/")


def is_of_system(path: str) -> bool:
    """Whether a folder is one of the system's, or holds the folders of many."""
    return _SYSTEM.match(path) is not None


class Stop(NamedTuple):
    """Why a container has to run as root, as far as is known, and what would change that."""

    code: str
    reason: str
    unlock: str


@dataclass
class Needs:
    """`folders` and `files` must be writable, each with where that shows; `HOME` is a folder.

    `user` is the name or number that assumptions speak of, `directory` the one that the process
    starts in, and `home` what ENV says of it. `assumes` is what nobody can tell; with `unclear`
    that is more than a few places in sources.
    """

    user: str
    directory: str
    home: str
    stops: list[Stop] = field(default_factory=list)
    folders: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    assumes: dict[str, None] = field(default_factory=dict)
    volumes: list[str] = field(default_factory=list)
    unclear: bool = False
    listens: bool = False

    def stop(self, code: str, reason: str, unlock: str = "") -> None:
        """Note why the user must be root."""
        self.stops.append(Stop(code, reason, unlock))

    def assume(self, text: str, unclear: bool = False) -> None:
        """Note what is assumed."""
        self.assumes[text] = None
        self.unclear = self.unclear or unclear

    def assume_harmless(self, what: str) -> None:
        """Note something of which nothing is known."""
        self.assume(
            f"{what} needs no root, and writes below /tmp or where user {self.user} may write",
            unclear=True,
        )

    def assume_writable(self, where: str) -> None:
        """Note that a path that is written is computed."""
        self.assume(f"{where} writes below /tmp or to a path that user {self.user} may write")

    def write(self, path: str, where: str) -> None:
        """Note a path that is written; one that ends in a slash is a folder, and what is in it."""
        if path.startswith(HOME):
            self.use_home(where)
            return
        if not path.startswith("/"):
            if not self.directory:
                self.stop("U308", f"{where} writes {path}, and in which directory is not known",
                          "set WORKDIR")  # fmt: skip
                return
            path = posixpath.join(self.directory, path)
        folder = posixpath.normpath(path if path.endswith("/") else posixpath.dirname(path))
        if _FREE.match(f"{folder}/"):
            return
        if is_of_system(folder):
            self.stop("U305", f"{where} writes {path}, in a folder that belongs to root",
                      "write to a folder of the application's own")  # fmt: skip
            return
        self.folders.setdefault(folder, where)
        if not path.endswith("/"):
            self.files.setdefault(posixpath.normpath(path), where)

    def use_home(self, where: str) -> None:
        """Note that the home is written to."""
        if self.home:
            self.write(f"{self.home.rstrip('/')}/", where)
        else:
            self.folders.setdefault(HOME, where)

    def mount(self, path: str, where: str) -> None:
        """Note a volume: it is as the image's folder is, the first time."""
        path = posixpath.normpath(path)
        if not path.startswith("/") or _FREE.match(f"{path}/"):
            return
        self.volumes.append(path)
        if is_of_system(path):
            self.stop("U305", f"{where}: {path} belongs to root", "mount another folder")
        else:
            self.folders.setdefault(path, where)

    def listen(self, port: int, where: str) -> None:
        """Note a port that is listened on."""
        self.listens = True
        if port < 1024:
            self.stop("U304", f"{where}: on port {port} only root can listen, on many platforms",
                      "listen on a port from 1024 on")  # fmt: skip
