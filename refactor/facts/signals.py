"""Names of signals, as `docker stop` reads a STOPSIGNAL."""

from __future__ import annotations

_NAMES = frozenset(
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT "
    "STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ".split()
)
# The numbers that are one signal on every processor: 10 is SIGUSR1, but SIGBUS on MIPS.
_NUMBERS = {
    1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 5: "TRAP", 6: "ABRT", 8: "FPE", 9: "KILL",
    11: "SEGV", 13: "PIPE", 14: "ALRM", 15: "TERM",
}  # fmt: skip
_MAX_DIGITS = 2


def name(text: str) -> str | None:
    """Return the full name of a signal, or None if it is not certain."""
    if text.isascii() and text.isdecimal():
        found = _NUMBERS.get(int(text)) if len(text) <= _MAX_DIGITS else None
        return f"SIG{found}" if found else None
    short = text.upper().removeprefix("SIG")
    return f"SIG{short}" if short in _NAMES else None
