"""The transforms' pages, the commands that the pages show, and the site that is built of them."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML
from typer.testing import CliRunner

from bench.docs import replayed
from bench.site import assemble, build, linked, problems
from refactor import cli, config, docs
from refactor.fleet import campaign
from refactor.model import Example, Phase, Transform
from refactor.registry import entries, ordered, select
from refactor.testing import run
from tests.test_architecture import HEAVY, loaded

PAGES = Path(__file__).parent.parent / "docs"
TRANSFORMS = [entry.transform for entry in entries()]
_BLOCK = re.compile(r"^(`{3,})(\w*)\n(.*?)\n\1$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    """Return what stands between fences of a language."""
    return [text for _, name, text in _BLOCK.findall(page) if name == language]


def headings(page: str, level: int) -> list[str]:
    """Return the headings of a level, those in fences left out."""
    return re.findall(rf"(?m)^{'#' * level} (.+)$", _BLOCK.sub("", page))


each_transform = pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: t.id)


@each_transform
def test_a_page_has_its_sections(transform: Transform) -> None:
    page = docs.page(transform)
    assert page.startswith(f"# {transform.id}\n")
    assert headings(page, 1) == [transform.id]
    tells = any(example.notices for example in transform.examples)
    wanted = {
        "Before and after": not tells,
        "What it tells": tells,
        "What it refuses": any(example.refuses for example in transform.examples),
        "Options": transform.options is not None,
        "Rules that it answers": bool(transform.answers),
        "How to switch it off": transform.default,
        "How to switch it on": not transform.default,
    }
    found = headings(page, 2)
    assert [name for name in found if name != "What it leaves alone"] == [
        name for name, there in wanted.items() if there
    ]
    assert len(found) == len(set(found))


@each_transform
def test_a_page_shows_every_example(transform: Transform) -> None:
    page = docs.page(transform)
    dockerfiles = blocks(page, "dockerfile")
    for example in transform.examples:
        after = example.before if example.after is None else example.after
        before, after = example.before.rstrip("\n"), after.rstrip("\n")
        marked = [
            (kept(text, "-"), kept(text, "+")) for text in blocks(page, "diff")
        ]  # what a difference takes away and what it adds
        assert {before, after} <= set(dockerfiles) or (before, after) in marked
        for name, _, data in (file.partition("=") for file in example.files or ()):
            assert f"`{name}`" in page
            assert not data or f"==> {name} <==\n{data}".rstrip("\n") in page
        for name, _, data in (other.partition("=") for other in example.others):
            assert f"Writes `{name}`:\n\n```text\n{data}```" in page


def kept(difference: str, sign: str) -> str:
    """Return one side of a difference."""
    return "\n".join(row[1:] for row in difference.split("\n") if row[:1] in (" ", sign))


@each_transform
def test_every_code_on_a_page_is_one_that_the_tool_gives(transform: Transform) -> None:
    page = docs.page(transform)
    given: dict[str, set[str]] = {}
    for example in transform.examples:
        outcome = run(transform, example.before, example)
        for _, refusal in outcome.refusals:
            given.setdefault(refusal.code, set()).add(refusal.reason)
    expected = [example.refuses for example in transform.examples if example.refuses]
    assert headings(page, 3) == list(dict.fromkeys(expected))
    for part in re.split(r"(?m)^### ", page)[1:]:
        code, said = part.split("\n", 1)
        quoted = re.findall(r"(?m)^> (.+?)(?:; unlock: .+)?$", said.partition("\n## ")[0])
        assert quoted
        assert {plain(text) for text in quoted} <= given[code]


def plain(text: str) -> str:
    """Return a text without the escapes of Markdown."""
    return re.sub(r"\\(.)", r"\1", text).replace("&lt;", "<").replace("&amp;", "&")


@each_transform
def test_what_a_page_says_of_the_configuration_is_accepted(transform: Transform) -> None:
    tables = blocks(docs.page(transform), "toml")
    assert tables
    for text in tables:
        table = tomllib.loads(text)["tool"]["dockerfile-refactor"]
        found = config.parse(table, Path("pyproject.toml"))
        assert set(found.options) <= {transform.id}
        ids = {chosen.id for chosen in ordered(select(found.select, found.ignore))}
        assert (transform.id in ids) != (transform.id in found.ignore)


@pytest.mark.parametrize(
    ("rule", "address"),
    [
        ("DL3009", "https://github.com/hadolint/hadolint/wiki/DL3009"),
        ("FromAsCasing", "https://docs.docker.com/reference/build-checks/from-as-casing/"),
        (
            "LegacyKeyValueFormat",
            "https://docs.docker.com/reference/build-checks/legacy-key-value-format/",
        ),
    ],
)
def test_rules_are_linked(rule: str, address: str) -> None:
    pages = [docs.page(t) for t in TRANSFORMS if rule in t.answers]
    assert pages
    assert all(f" [{rule}]({address}): " in page for page in pages)


PROSE = {
    "plain words, and a.file_name": "plain words, and a.file_name",
    "`a * b_` and * and _x_": "`a * b_` and \\* and \\_x\\_",
    "<b> &amp; && [x](y)": "&lt;b> &amp;amp; && \\[x\\](y)",
    "an odd ` one": "an odd ' one",
    "# no heading": "\\# no heading",
}


@pytest.mark.parametrize("text", PROSE)
def test_what_is_no_code_is_no_markup(text: str) -> None:
    refused = "FROM scratch\n"
    assert docs.page(told(text, refused)).split("\n")[2] == PROSE[text]


def told(title: str, before: str) -> Transform:
    """Return a transform that does nothing."""
    return Transform("a-b", title, Phase.REPAIR, ("from",), lambda *_: (),
                     examples=(Example(before),))  # fmt: skip


def test_a_fence_is_longer_than_those_in_an_example() -> None:
    page = docs.page(told("A title.", "FROM scratch\n# ```\n# ````\n"))
    assert "\n`````dockerfile\nFROM scratch\n# ```\n# ````\n`````\n" in page


def test_the_index_has_every_transform_once() -> None:
    index = docs.index(TRANSFORMS)
    assert sorted(re.findall(r"\]\(([\w-]+)\.md\)", index)) == [t.id for t in TRANSFORMS]
    used = {transform.phase for transform in TRANSFORMS}
    assert headings(index, 2) == [docs.PHASES[phase][0] for phase in sorted(used)]
    assert set(docs.PHASES) == set(Phase)


def test_pages_cost_no_start_up() -> None:
    assert loaded("import refactor.docs") & set(HEAVY) == set()


def helps(words: str, command: Any) -> Iterator[tuple[str, str]]:
    """Yield every command below one by its words, and its help as it was written."""
    if not hasattr(command, "list_commands"):
        yield words, command.help or ""
        return
    context = typer.Context(command)
    for name in command.list_commands(context):
        yield from helps(f"{words} {name}", command.get_command(context, name))


def test_the_help_of_every_command_has_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    found = dict(helps("dfr", typer.main.get_command(cli.app)))
    assert {"dfr fix", "dfr list", "dfr explain", "dfr prove", "dfr compare"} <= set(found)
    for words, written in found.items():
        examples = [row for row in map(str.strip, written.splitlines())
                    if re.match(rf"(Example: )?{words}( |$)", row)]  # fmt: skip
        shown = CliRunner().invoke(cli.app, [*words.split()[1:], "--help"]).output
        rows = {row.strip() for row in shown.splitlines()}  # none of them is broken or joined
        assert examples
        assert [row for row in examples if row not in rows] == [], shown


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.md")), ids=lambda path: path.name)
def test_settings_on_the_pages_are_valid(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    for text in blocks(page, "toml"):
        table = tomllib.loads(text)
        if {"source", "request", "commits", "review", "limits"} & set(table):  # of a campaign
            campaign.parse({"name": "page"} | table, path)
            continue
        config.parse(table.get("tool", {}).get("dockerfile-refactor", table), path)
    for text in blocks(page, "yaml"):
        assert YAML(typ="safe").load(text)


def test_commands_are_replayed(tmp_path: Path) -> None:
    page = """Words.

```console
$ cat > a <<'END'
> one
>
> two
> END
$ cat a; echo wrong >&2; exit 3
out of date
$ echo $?
```

```sh
not this
```
"""
    again = replayed(page, tmp_path)
    assert (
        again
        == """Words.

```console
$ cat > a <<'END'
> one
>
> two
> END
$ cat a; echo wrong >&2; exit 3
one

two
wrong
$ echo $?
3
```

```sh
not this
```
"""
    )
    assert replayed(again, tmp_path) == again


def test_transforms_in_tables_are_links() -> None:
    page = "`a-b` here\n| `a-b`, `c-d` | [`a-b`](x.md) |\n"
    assert linked(page, {"a-b"}) == (
        "`a-b` here\n| [`a-b`](transforms/a-b.md), `c-d` | [`a-b`](x.md) |\n"
    )


FAULTS = {
    '<a href="none.html">': "a.html: no page none.html",
    '<a href="b.html#none">': "a.html: no anchor b.html#none",
    '<a href="#none">': "a.html: no anchor #none",
    '<a href="/none.html">': "a.html: no page /none.html",
    '<script src="https://a.example/x.js">': "a.html: fetches https://a.example/x.js",
    '<img src="//a.example/x.png">': "a.html: fetches //a.example/x.png",
    '<img srcset="x.png 1x, http://a.example/y.png 2x">': "a.html: fetches http://a.example/y.png",
    '<link rel="preload stylesheet" href="https://a.example/x.css">': (
        "a.html: fetches https://a.example/x.css"
    ),
    '<p style="background: url(https://a.example/x.png)">': (
        "a.html: fetches https://a.example/x.png"
    ),
    "<style>@import 'https://a.example/x.css'</style>": "a.html: fetches https://a.example/x.css",
}
RIGHT = """<a href="b.html"><a href="b.html#there"><a href="#here"><p id="here"><a href="/b.html">
<a href="https://a.example/"><link rel="canonical" href="https://a.example/"><img src="x.png">
<p style="background: url(data:image/png;base64,AA)"><a href="mailto:a@a.example">"""


@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_links_and_what_is_fetched_are_checked(fault: str, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(RIGHT + fault)
    (tmp_path / "b.html").write_text('<p id="there">')
    assert list(problems(tmp_path)) == [FAULTS[fault] for _ in range(bool(fault))]


def test_styles_are_checked(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("@import url('//a.example/x.css'); a { src: url(b.woff) }")
    assert list(problems(tmp_path)) == ["a.css: fetches //a.example/x.css"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the site's sources."""
    pytest.importorskip("zensical")
    folder = tmp_path_factory.mktemp("sources")
    assemble(folder)
    return folder


@pytest.fixture(scope="module")
def site(sources: Path) -> Path:
    """Return the built site; building it gave no warning."""
    folder = sources.parent / "site"
    assert list(build(sources, folder)) == []
    return folder


def test_the_site_is_whole(site: Path) -> None:
    assert list(problems(site)) == []
    names = {path.stem for path in (site / "transforms").glob("*.html")}
    assert names == {"index", *(transform.id for transform in TRANSFORMS)}


def test_a_warning_of_the_builder_is_a_problem(sources: Path, tmp_path: Path) -> None:
    shutil.copytree(sources, tmp_path / "again")
    (tmp_path / "again" / "docs" / "tutorial.md").write_text("# A\n\n[b](none.md)\n")
    (tmp_path / "again" / "docs" / "lost.md").write_text("# A page that nobody finds\n")
    warning, lost = build(tmp_path / "again", tmp_path / "site")
    assert "none.md" in warning
    assert "\x1b" not in warning
    assert lost == "docs/zensical.toml: lost.md is in no part of the navigation"


class Watched(SimpleHTTPRequestHandler):
    """Serves a folder to a browser that reports what a page would fetch from elsewhere."""

    reports: list[str]
    asked: list[str]

    def end_headers(self) -> None:
        self.send_header(
            "Content-Security-Policy-Report-Only",
            "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; report-uri /report",
        )
        super().end_headers()

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def do_POST(self) -> None:
        self.reports.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium")
@pytest.mark.parametrize("outside", [False, True])
def test_no_page_asks_another_host(outside: bool, site: Path, tmp_path: Path) -> None:
    """Pages in a browser without a network; and, to see that it would show, one that does."""
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    pages = [path.name for path in sorted(folder.glob("*.html"))]
    pages += ["transforms/index.html", "transforms/split-python-stages.html"]
    if outside:
        pages = ["planted.html"]
        (folder / "planted.html").write_text('<script src="http://a.invalid/x.js"></script>')
    frames = "".join(f'<iframe src="{name}"></iframe>' for name in pages)
    (folder / "all.html").write_text(f"<!doctype html>{frames}")
    Watched.reports, Watched.asked = [], []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Watched, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/all.html"
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu",
                   "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                   f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000",
                   "--dump-dom", address]  # fmt: skip
        subprocess.run(command, capture_output=True, check=True, timeout=300)
        server.shutdown()
    assert {f"/{name}" for name in pages} <= set(Watched.asked)
    assert ["http://a.invalid/x.js" in report for report in Watched.reports] == [True] * outside
