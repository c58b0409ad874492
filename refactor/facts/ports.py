"""What an argument of EXPOSE declares, by the rules of BuildKit."""

from __future__ import annotations

from ipaddress import ip_address
from typing import NamedTuple

_PROTOCOLS = frozenset({"tcp", "udp", "sctp"})
_DEFAULT = "tcp"
_MAX_PORT = 65535


class Ports(NamedTuple):
    """The ports from the first to the last; `mapped` if a host's port or address is named too."""

    first: int
    last: int
    protocol: str
    mapped: bool

    @property
    def declared(self) -> str:
        """What ends up in the image, as one text."""
        last = f"-{self.last}" if self.last != self.first else ""
        return f"{self.first}{last}/{self.protocol}"


def container_part(word: str) -> str:
    """Return what follows the host's part of a mapping, all of the word if there is none."""
    return word.rpartition(":")[2]


def read(word: str) -> Ports | None:
    """Return the ports of a word, or None if BuildKit would reject it."""
    outside, colon, inside = word.rpartition(":")
    port, _, protocol = inside.partition("/")
    protocol = protocol.lower() or _DEFAULT
    found = _range(port)
    if found is None or protocol not in _PROTOCOLS:
        return None
    if colon and not _is_host(outside, found[1] - found[0]):
        return None
    return Ports(*found, protocol, bool(colon))


def _is_host(text: str, extent: int) -> bool:
    """Whether `[address:][ports]` fits a number of ports."""
    address, _, port = text.rpartition(":")
    found = _range(port) if port else (0, extent)
    if found is None or (extent and found[1] - found[0] != extent):
        return False
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    try:
        return not address or ("%" not in address and bool(ip_address(address)))
    except ValueError:
        return False


def _range(text: str) -> tuple[int, int] | None:
    first, dash, last = text.partition("-")
    ends = [_number(first), _number(last) if dash else _number(first)]
    if ends[0] is None or ends[1] is None or ends[1] < ends[0]:
        return None
    return ends[0], ends[1]


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdecimal()) or int(text) > _MAX_PORT:
        return None
    return int(text)
