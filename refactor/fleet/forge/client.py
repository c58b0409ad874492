"""Requests over HTTP: paced, repeated only where that is harmless, and bounded.

What is repeated: reading; changing what is then as it was asked to be; and whatever a forge turned
down unread because there were too many requests. All else is left to the caller, who looks first.
Sources: "Best practices for using the REST API" (docs.github.com); "User and IP rate limits" and
"REST API" (docs.gitlab.com). What Forgejo limits is not documented.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar
from urllib.parse import urljoin, urlsplit, urlunsplit

from refactor.config import ConfigError
from refactor.fleet.forge.base import ForgeError, Unsure

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

ATTEMPTS = 5
LEAST_WAIT = 60.0  # seconds after a limit that does not say for how long
MOST_WAIT = 3900.0  # the limits of an hour are over by then
MAX_ANSWER = 32_000_000
MAX_PAGES = 1000
_TIMEOUT = 60.0
_LOST = (500, 502, 503, 504)


class Clock(Protocol):
    """The time, and waiting: tests have one of their own."""

    def now(self) -> float:
        """Return the seconds since 1970."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> float:
        """Return the seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Pace:
    """At most one change in so many seconds, however many repositories and servers there are."""

    def __init__(self, clock: Clock, between: float = 1.0) -> None:
        self.clock = clock
        self.between = between
        self._next = 0.0

    def wait(self) -> None:
        """Wait until the next change may be made, and count it."""
        ahead = self._next - self.clock.now()
        if ahead > 0:
            self.clock.sleep(min(ahead, self.between))
        self._next = self.clock.now() + self.between


class Answer(NamedTuple):
    """What came back: `data` is the JSON, None for an empty answer."""

    status: int
    headers: Mapping[str, str]
    data: Any


class Refused(ForgeError):
    """The forge understood, and declined; `status` is the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Client:
    """Asks one server; `say` is told why there is waiting.

    The token is in the header Authorization, which httpx takes to no other server, and nowhere
    else: should the server repeat it, it is not repeated here.
    """

    def __init__(
        self, server: str, scheme: str, token: str, headers: Mapping[str, str], pace: Pace,
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        try:
            import httpx
        except ModuleNotFoundError:
            raise ConfigError(
                "a forge is asked by httpx: pip install 'dockerfile-refactor[fleet]'"
            ) from None

        self.server = server.rstrip("/")
        self.host = urlsplit(server).hostname or server
        self._token = token
        self._pace = pace
        self._say = say
        own = {"Authorization": f"{scheme} {token}"} if token else {}
        self._http = httpx.Client(headers={**headers, **own}, timeout=_TIMEOUT)

    def get(self, path: str, **query: str | int) -> Any:
        """Return what is at a path."""
        return self._repeated("GET", path, query=query).data

    def pages(self, path: str, **query: str | int) -> Iterator[Any]:
        """Yield the items of a list, page by page."""
        url = path
        for _ in range(MAX_PAGES):
            answer = self._repeated("GET", url, query=query)
            if not isinstance(answer.data, list):
                raise ForgeError(f"{self.host}: {path} is no list")
            yield from answer.data
            following = _next(answer.headers.get("link", ""))
            if following is None:
                return
            # whatever name the server has for itself, it is asked by the one that it has here
            parts = urlsplit(following)
            url = urljoin(self.server, urlunsplit(("", "", parts.path, parts.query, "")))
            query = {}
        raise ForgeError(f"{self.host}: {path} has more than {MAX_PAGES} pages")

    def set(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        """Change something so that asking twice makes no difference."""
        return self._repeated(method, path, body).data

    def add(self, path: str, body: Mapping[str, Any]) -> Any:
        """Make something new; raise Unsure where it may or may not have been made."""
        return self._once("POST", path, body).data

    def _repeated(
        self, method: str, path: str, body: Mapping[str, Any] | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> Answer:  # fmt: skip
        for attempt in range(ATTEMPTS - 1):
            try:
                return self._once(method, path, body, query)
            except Unsure as error:
                self._wait(2.0**attempt, str(error))
        return self._once(method, path, body, query)

    def _once(
        self, method: str, path: str, body: Mapping[str, Any] | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> Answer:  # fmt: skip
        """Ask until it is not turned down for a limit."""
        waited = 0.0
        for attempt in range(ATTEMPTS * 2):
            if method != "GET":
                self._pace.wait()
            answer = self._sent(method, path, body, query)
            pause = _pause(answer, self._pace.clock.now(), attempt)
            if pause is None:
                return self._checked(method, path, answer)
            waited += pause
            if waited > MOST_WAIT:
                break
            self._wait(pause, f"{self.host} limits how much is asked")
        raise ForgeError(f"{self.host} limits how much is asked, and does not stop: go on later")

    def _sent(
        self, method: str, path: str, body: Mapping[str, Any] | None,
        query: Mapping[str, str | int] | None,
    ) -> Answer:  # fmt: skip
        import httpx

        what = f"{self.host}: {method} {urlsplit(path).path}"
        url = path if "://" in path else f"{self.server}{path}"
        try:
            with self._http.stream(
                method, url, json=body, params=dict(query) if query else None,
                follow_redirects=method == "GET",
            ) as answer:  # fmt: skip
                data = _read(answer, what)
        except (httpx.TransportError, httpx.StreamError, httpx.DecodingError) as error:
            raise Unsure(f"{what}: {type(error).__name__}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ForgeError(f"{what}: {type(error).__name__}") from None
        if answer.status_code in _LOST:
            raise Unsure(f"{what}: answers {answer.status_code}")
        try:
            return Answer(answer.status_code, answer.headers, json.loads(data) if data else None)
        except ValueError:
            if answer.is_error:
                return Answer(answer.status_code, answer.headers, None)
            raise Unsure(f"{what}: an answer that is no JSON, or not all of it") from None

    def _checked(self, method: str, path: str, answer: Answer) -> Answer:
        what = f"{self.host}: {method} {urlsplit(path).path}"
        if 300 <= answer.status < 400:
            raise ForgeError(f"{what}: has moved: list the repositories anew (`dfr fleet init`)")
        if answer.status >= 400:
            words = _words(answer.data)
            words = words.replace(self._token, "(token)") if self._token else words
            raise Refused(f"{what}: answers {answer.status}{words[:300]}", answer.status)
        return answer

    def _wait(self, seconds: float, why: str) -> None:
        self._say(f"waiting {seconds:.0f} s: {why}")
        self._pace.clock.sleep(seconds)


def once(find: Callable[[], T | None], make: Callable[[], T]) -> T:
    """Return what is there, or make it where nothing is; look again whenever an answer was lost."""
    for attempt in range(ATTEMPTS):
        if (found := find()) is not None:
            return found
        try:
            return make()
        except Unsure:
            if attempt == ATTEMPTS - 1:
                raise
        except Refused as error:  # it came late, and is there by now
            if error.status not in (409, 422) or (found := find()) is None:
                raise
            return found
    raise AssertionError("not reached")


def _read(answer: httpx.Response, what: str) -> bytes:
    parts, size = [], 0
    for part in answer.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER:
            raise ForgeError(f"{what}: the answer is larger than {MAX_ANSWER // 1_000_000} MB")
    return b"".join(parts)


def _next(link: str) -> str | None:
    """Return the address of the next page (RFC 8288)."""
    for part in link.split(","):
        address, _, parameters = part.partition(";")
        if 'rel="next"' in parameters:
            return address.strip().removeprefix("<").removesuffix(">")
    return None


def _pause(answer: Answer, now: float, attempt: int) -> float | None:
    """Return for how long a limit asks to wait; None if the answer is of no limit."""
    headers = answer.headers
    after = headers.get("retry-after")
    spent = "0" in (headers.get("x-ratelimit-remaining"), headers.get("ratelimit-remaining"))
    secondary = "secondary rate limit" in _words(answer.data).lower()
    if answer.status != 429 and not (answer.status == 403 and (after or spent or secondary)):
        return None
    if after is not None:
        return _seconds(after, now)
    reset = headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset")
    if spent and reset is not None and reset.isdecimal():
        return max(float(reset) - now, 0.0) + 1.0
    return LEAST_WAIT * 2.0**attempt


def _seconds(after: str, now: float) -> float:
    """Return the seconds of a Retry-After header: a number, or a date (RFC 9110, 10.2.3)."""
    if after.strip().isdecimal():
        return float(after)
    try:
        return max(parsedate_to_datetime(after).timestamp() - now, 0.0)
    except ValueError:
        return LEAST_WAIT


def _words(data: Any) -> str:
    """Return what an answer says, on one line."""
    if not isinstance(data, dict):
        return ""
    found = [data.get(key) for key in ("message", "error", "errors")]
    text = " ".join(str(part) for part in found if part)
    return f": {' '.join(text.split())}" if text else ""
