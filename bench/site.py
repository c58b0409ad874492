"""Builds the documentation's site in `site/`: the pages of docs/, and one page a transform.

python -m bench.site          build it, and say what is wrong with it
python -m bench.site --check  the same, and exit with 1 if anything is
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import groupby
from pathlib import Path
from urllib.parse import unquote, urlsplit

from refactor import docs
from refactor.model import Transform
from refactor.registry import entries

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs"
SOURCES = ROOT / "site-src"
SITE = ROOT / "site"
_ID = re.compile(r"(?<!\[)`([a-z]+(?:-[a-z]+)+)`")
_NAMED = re.compile(r'"([\w./-]+\.md)"')
_STYLE_LOADS = re.compile(r"""@import\s+["']([^"']+)|url\(\s*["']?([^"')]+)""")
_LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data"}
_LOADING |= {"video": "src", "audio": "src", "embed": "src", "use": "href", "image": "href"}
# What a `link` names and a browser fetches; "canonical", "next" and the like are only named.
_FETCHED = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "modulepreload", "manifest"}


def assemble(folder: Path) -> None:
    """Write the site's sources."""
    shutil.rmtree(folder, ignore_errors=True)
    pages = folder / "docs"
    (pages / "transforms").mkdir(parents=True)
    transforms = sorted((entry.transform for entry in entries()), key=lambda t: (t.phase, t.id))
    ids = {transform.id for transform in transforms}
    for path in PAGES.iterdir():
        if path.suffix == ".md":
            text = linked(path.read_text(encoding="utf-8"), ids)
            (pages / path.name).write_text(text, encoding="utf-8")
        elif path.suffix != ".toml":
            shutil.copy(path, pages)
    (pages / "transforms" / "index.md").write_text(docs.index(transforms), encoding="utf-8")
    for transform in transforms:
        path = pages / "transforms" / f"{transform.id}.md"
        path.write_text(docs.page(transform), encoding="utf-8")
    config = (PAGES / "zensical.toml").read_text(encoding="utf-8")
    (folder / "zensical.toml").write_text(navigable(config, transforms), encoding="utf-8")


def linked(text: str, ids: set[str]) -> str:
    """Return a page on which the transforms that its tables name are links."""

    def link(match: re.Match[str]) -> str:
        return f"[{match[0]}](transforms/{match[1]}.md)" if match[1] in ids else match[0]

    rows = text.split("\n")
    return "\n".join(_ID.sub(link, row) if row.startswith("|") else row for row in rows)


def navigable(config: str, transforms: list[Transform]) -> str:
    """Return the configuration with the transforms in its navigation, by phase."""
    parts = ['"transforms/index.md"']
    for phase, group in groupby(transforms, key=lambda t: t.phase):
        named = ", ".join(f'{{ "{t.id}" = "transforms/{t.id}.md" }}' for t in group)
        parts.append(f'{{ "{docs.PHASES[phase][0]}" = [{named}] }}')
    return config.replace('"Transforms" = []', f'"Transforms" = [{", ".join(parts)}]')


def build(folder: Path, site: Path) -> Iterator[str]:
    """Build a site of these sources; yield what the builder complains of, and pages left out."""
    shutil.rmtree(site, ignore_errors=True)
    config = folder / "zensical.toml"
    command = [sys.executable, "-m", "zensical", "build", "--strict", "-f", str(config)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if (folder / "site").exists():
        shutil.move(folder / "site", site)
    if ended.returncode:
        yield re.sub(r"\x1b\[[0-9;]*m", "", ended.stdout + ended.stderr.partition("Traceback")[0])
    named = set(_NAMED.findall(config.read_text(encoding="utf-8")))
    pages = folder / "docs"
    for path in sorted(pages.rglob("*.md")):
        if path.relative_to(pages).as_posix() not in named:
            yield f"docs/zensical.toml: {path.name} is in no part of the navigation"


class _Page(HTMLParser):
    """What a page names, where it leads to, and what it makes a browser fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take up one tag."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values.get("id", ""), values.get("name", "")}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and _FETCHED & set(values.get("rel", "").split()):
            self.loads.append(values.get("href", ""))
        if loaded := values.get(_LOADING.get(tag, ""), ""):
            self.loads.append(loaded)
        self.loads += [part.split()[0] for part in values.get("srcset", "").split(",") if part]
        self.loads += styled(values.get("style", ""))

    def handle_data(self, data: str) -> None:
        """Take up the text of a style."""
        if self.lasttag == "style":
            self.loads += styled(data)


def styled(text: str) -> list[str]:
    """Return what a style makes a browser fetch."""
    return [one or other for one, other in _STYLE_LOADS.findall(text)]


def problems(site: Path) -> Iterator[str]:
    """Yield the links of a built site that lead nowhere, and what it would fetch from outside."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            start = site if parts.path.startswith("/") else path.parent
            target = (start / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
            if not target.is_file():
                yield f"{name}: no page {link}"
            elif parts.fragment and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{name}: no anchor {link}"
        yield from (f"{name}: fetches {load}" for load in page.loads if is_outside(load))
    for path in sorted(site.rglob("*.css")):
        for load in filter(is_outside, styled(path.read_text(encoding="utf-8"))):
            yield f"{path.relative_to(site).as_posix()}: fetches {load}"


def is_outside(load: str) -> bool:
    """Whether an address is one of another host."""
    return bool(urlsplit(load).netloc)


def main() -> None:
    """Build, and check."""
    parser = argparse.ArgumentParser(description="Build the documentation's site.")
    parser.add_argument("--check", action="store_true", help="exit with 1 if anything is wrong")
    check = parser.parse_args().check
    assemble(SOURCES)
    found = [*build(SOURCES, SITE), *problems(SITE)]
    print(*found, f"{SITE.name}/: {len(found)} problems", sep="\n")
    sys.exit(1 if found and check else 0)


if __name__ == "__main__":
    main()
