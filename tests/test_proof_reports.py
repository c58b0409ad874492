"""Reports of proofs: the facts are in them, and what a repository wrote is never raw."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from refactor.proof.differences import Comparison, FileDifference, Group, How
from refactor.proof.results import Proof, Verdict
from refactor.report import proof_html, proof_json, proof_markdown, proof_text, proof_words
from refactor.report.layer_picture import HEIGHT
from refactor.report.markdown import code, prose, table
from tests import proofs as made

ROOT = Path(__file__).parent.parent
BIDI, ESCAPE = "\u202e\u2066\u061c\u200f", "\x1b]0;x\x07\x1b[2J\r\x9b"
EVIL = (
    f"{ESCAPE}{BIDI}\u2028\udcff\ud800</script></title></style></details>"
    "<img src=x onerror=alert(1)>|` ``` ~~~\n\n::error::x\n##[add-mask]y\n@everyone #1 \\| "
    "[a](https://evil.example/) www.evil.example x@evil.example \"'-->]]>\n# h\n- [ ] x\n"
)
HOSTILE: tuple[Proof, ...] = made.hostile(made.PROOFS, EVIL)
NEVER = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
VOID = {"meta", "br", "img", "rect", "line", "input"}


def text(proof: Proof, verbose: bool = False) -> str:
    return "".join(proof_text.lines(proof, colour=False, verbose=verbose))


@cache
def schema() -> Any:
    found = json.loads((ROOT / "docs/proof.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


class Page(HTMLParser):
    """Reads a page strictly: each tag is closed where it has to be."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert not self.stack

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.stack or self.stack[-1] != "style":
            self.words.append(data)


def test_text_says_what_was_found() -> None:
    assert text(made.EQUIVALENT).startswith(
        "equivalent: api/Dockerfile: 136.1 MB, compressed 48.0 MB, layers 3\n"
    )
    found = text(made.DECLARED)
    for part in (
        "differs as declared: shop/Dockerfile: 817.0 MB -> 160.4 MB (-80.4 %), "
        "compressed 345.0 MB -> 63.0 MB, layers 7 -> 5\n",
        "build tools     2 gone      -32.6 MB  /usr/libexec/gcc/cc1, /usr/bin/gcc-12\n",
        "accounts        1 changed      +48 B  /etc/passwd\n",
        'user: "" -> 10001:10001\n',
        "env GPG_KEY: A035C8C19219BA821ECEA86B64E628F8D684696D -> not set\n",
        "1 added: tzdata 2 (deb)\n",
        "1 changed: curl 7.88-1 -> 7.88-2 (deb)\n",
        f"new defects\n    library: {made.LIB}: needs libssl.so.3\n",
        "run as their owner or group, gone\n    /usr/bin/su\n",
        "asked, answers kept: 2 of 2\n",
        "none  GET :9000/: no answer: refused\n",
        "kept  python --version: exit 0 text\n",
        "kept  GET :8000/: 200 json object, as root, stops in 0.4 s -> "
        "200 json object, as user 10001, stops in 0.3 s\n",
        "rebuild after an edit of shop.py: 41.2 s -> 1.3 s (-96.8 %)\n",
        "ran again after: COPY . .\n",
        "run-as-user: the user is 10001, /app is its own\n",
    ):
        assert part in found
    assert "layers before" not in found
    assert "undeclared" not in found
    everything = text(made.DECLARED, verbose=True)
    assert "layers before" in everything
    assert "(19.3 MB wasted)" in everything
    assert "two builds of the same text differ in 17 paths" in everything
    for file in made.FILES:
        assert file.path in everything


def test_text_says_what_is_broken() -> None:
    found = text(made.BROKEN_BUILD)
    assert "the build of the refactored file fails at RUN pip install" in found
    assert "    | ERROR: Failed building wheel for uwsgi\n" in found
    assert "cause: drop-build-packages (line 9): gcc is only there to build\n" in found
    answer = text(made.BROKEN_ANSWER)
    assert "lost  GET :8000/orders: 200 json object, as root, stops in 0.4 s -> no answer" in answer
    assert "undeclared\n    the file /app/static/site.css is gone\n" in answer
    assert "the build of the file as it is fails at RUN apt-get" in text(made.BASELINE)
    assert text(made.UNCHANGED).count("\n") == 2


def test_text_is_short() -> None:
    many = tuple(FileDifference(f"/f/{n:04}", How.GONE, Group.TOOL, -n) for n in range(5000))
    wide = Comparison(
        made.BEFORE, made.AFTER, (), many, frozenset(), frozenset(), frozenset(), frozenset(),
        frozenset(f"/s/{n}" for n in range(90)), frozenset(),
    )  # fmt: skip
    found = "".join(proof_text.comparison_lines(wide, colour=False))
    assert found.startswith("differs: 817.0 MB -> 160.4 MB")
    assert "/f/4999, /f/4998, /f/4997 and 4,997 more\n" in found
    assert "and 82 more (--verbose)\n" in found
    assert found.count("\n") < 20
    assert "".join(proof_text.comparison_lines(wide, False, verbose=True)).count("\n") > 5090
    same = "".join(proof_text.comparison_lines(made.SAME, colour=False))
    assert same.startswith("nothing differs but layers: ")


def test_summary() -> None:
    *rows, last = proof_text.summary(made.PROOFS)
    assert len(rows) == len(made.PROOFS)
    assert rows[1].startswith("differs as declared      shop/Dockerfile    817.0 MB -> 160.4 MB")
    assert last == (
        "7 files: 1 nothing to change, 1 equivalent, 1 differs as declared, 2 broken, "
        "1 does not build as it is, 1 not refactored; together 1,770.1 MB -> 456.9 MB (-74.2 %)\n"
    )
    assert list(proof_text.summary(())) == ["0 files\n"]


@pytest.mark.parametrize("verbose", [False, True])
def test_text_is_harmless(verbose: bool) -> None:
    for proof in HOSTILE:
        coloured = "".join(proof_text.lines(proof, True, verbose))
        plain = re.sub(r"\x1b\[[0-9]+m", "", coloured)
        assert plain == text(proof, verbose)
        for row in plain.split("\n")[:-1]:
            assert not NEVER.search(row)
            assert not row.lstrip().startswith(("::", "##", "@"))
            assert "##[" not in row
        plain.encode("utf-8")
    whole = "".join(proof_text.summary(HOSTILE))
    assert not NEVER.search(whole.replace("\n", ""))
    assert whole.count("\n") == len(HOSTILE) + 1


@pytest.mark.parametrize("proofs", [(), made.PROOFS, HOSTILE])
def test_json_follows_the_schema(proofs: Sequence[Proof]) -> None:
    written = proof_json.document(proofs)
    assert written.isascii()
    assert not NEVER.search(written.replace("\n", ""))
    assert "<" not in written
    found = json.loads(written)
    schema().validate(found)
    assert json.dumps(found, indent=2, sort_keys=True).replace("<", "\\u003c") + "\n" == written
    assert [proof["verdict"] for proof in found["proofs"]] == [
        proof.verdict.name.lower() for proof in proofs
    ]
    json.dumps(found, ensure_ascii=False).encode("utf-8")  # no half of a pair


def test_json_has_everything() -> None:
    found = json.loads(proof_json.document(made.PROOFS))["proofs"][1]
    assert found["path"] == "shop/Dockerfile"
    compared = found["comparison"]
    assert [f["path"] for f in compared["files"]] == sorted(f.path for f in made.FILES)
    assert compared["files"][0] == {
        "path": "/app", "how": "changed", "group": "application", "size": 0,
        "what": ["mode", "owner"],
    }  # fmt: skip
    assert (compared["before"]["size"], compared["after"]["size"]) == (817_010_000, 160_410_000)
    assert compared["after"]["settings"]["user"] == "10001:10001"
    assert compared["settings"][2]["after"] is None
    assert compared["privileged"] == {"added": ["/usr/bin/new-mount"], "gone": ["/usr/bin/su"]}
    assert [q["kept"] for q in found["questions"]] == [True, True, True]
    assert found["rebuild"]["after"]["cached"] == ["RUN apt-get update"]
    assert found["cause"] is None


def test_json_of_a_comparison() -> None:
    for comparison in (made.COMPARISON, made.SAME, made.hostile(made.COMPARISON, EVIL)):
        found = json.loads(proof_json.comparison_document(comparison))
        schema().validate(found)
        assert found["comparison"]["noise"] == comparison.noise


def test_json_keeps_text_as_it_is() -> None:
    text = EVIL.replace("\udcff\ud800", "")
    found = json.loads(proof_json.document([made.hostile(made.UNCHANGED, text)]))["proofs"][0]
    assert found["path"] == made.UNCHANGED.path + text
    half = json.loads(proof_json.document([made.hostile(made.UNCHANGED, "\udcff")]))["proofs"][0]
    assert half["path"] == made.UNCHANGED.path + "\\xff"


def test_markdown_says_what_was_found() -> None:
    found = proof_markdown.body(made.PROOFS)
    for part in (
        "**7 Dockerfiles**: 1 nothing to change, 1 equivalent, ",
        "| `shop/Dockerfile` | ✅ differs as declared | 817.0 MB → 160.4 MB (-80.4 %) | 7 → 5 | "
        "`root` → `10001:10001` | 0 | 2 of 2 | 41.2 s → 1.3 s |\n",
        "| `tidy/Dockerfile` | ➖ nothing to change | – | – | – | – | – | – |\n",
        "<details open>\n<summary>❌ <code>worker/Dockerfile</code>: broken</summary>\n",
        "```text\n#9 [5/7] RUN pip install",
        "**Cause:** `drop-build-packages`, line 9: gcc is only there to build\n",
        "| build tools | 2 gone | -32.6 MB | `/usr/libexec/gcc/cc1`, `/usr/bin/gcc-12` |\n",
        "| `env GPG_KEY` | `A035C8C19219BA821ECEA86B64E628F8D684696D` | *not set* |\n",
        "- 1 changed: `curl 7.88-1 → 7.88-2`\n",
        "| ❌ lost | `GET :8000/orders` | `200 json object, as root, stops in 0.4 s` | `no ",
        "**Not declared by any change**\n\n- the file `/app/static/site.css` is gone\n",
        "- `clean-apt-lists`: 2 files of `apt` are gone\n",
        "**Rebuild** after an edit of `shop.py`: 41.2 s → 1.3 s\n",
    ):
        assert part in found
    assert found.count("<details") == found.count("</details>") == len(made.PROOFS) - 1


def test_markdown_code_and_prose() -> None:
    assert code("a`b``c") == "```a`b``c```"
    assert code("`a") == "`` `a ``"
    assert code("") == "*empty*"
    assert "".join(table(("a",), [(code("x|y\\|z"),)])).split("\n")[2] == r"| `x\|y\\x7cz` |"
    assert prose("a sentence, of words (and 3 more); it's fine.") == (
        "a sentence, of words (and 3 more); it's fine."
    )
    assert prose("see @you and #1, org/x#2 GH-3 www.x.org http://x deadbeef1 a_b *c*") == (
        "see `@you` and `#1, org/x#2 GH-3 www.x.org http://x deadbeef1 a_b *c*`"
    )
    assert prose("the file `a b` is gone") == "the file `a b` is gone"
    assert prose("odd ` tick <b>") == "odd `` ` `` tick `<b>`"


def without_code(markdown: str) -> str:
    """Return what GitHub reads as markup: no fences, no spans of code, no code in HTML."""
    rows, fence = [], ""
    for row in markdown.split("\n"):
        marks = re.match("`{3,}", row)
        if fence:
            fence = "" if row.strip() == fence else fence
        elif marks and "`" not in row[len(marks[0]) :]:
            fence = marks[0]
        else:
            rows.append(row)
    assert not fence
    spans = re.compile(r"(?<!`)(`+)(?!`)(.*?[^`])\1(?!`)")
    return re.sub(r"<code>[^<]*</code>", "C", "\n".join(spans.sub("C", row) for row in rows))


def test_markdown_is_harmless() -> None:
    written = proof_markdown.body(HOSTILE)
    assert not NEVER.search(written.replace("\n", ""))
    rest = without_code(written)
    tags = Counter(re.findall(r"</?([a-z]+)[^>\n]*>", rest))
    assert set(tags) == {"details", "summary"}
    for sign in ("@", "`", "~", "](", "evil", "everyone", "<img", "::", "\\", "#"):
        assert sign not in rest
    plain = without_code(proof_markdown.body(made.PROOFS))
    shapes = [re.sub(r"[^|]", "", row) for row in rest.split("\n") if row.startswith("|")]
    assert shapes == [re.sub(r"[^|]", "", row) for row in plain.split("\n") if row.startswith("|")]


def test_markdown_fits() -> None:
    many = proof_markdown.body(HOSTILE * 40)
    assert len(many) < 65_536
    assert "are too long for here" in many
    assert len(re.findall("^<details", many, re.M)) == len(re.findall("^</details>", many, re.M))
    assert len(proof_markdown.body(HOSTILE * 400)) < 65_536


@pytest.mark.parametrize("proofs", [(), made.PROOFS, HOSTILE, HOSTILE[1:2]])
def test_html_is_well_formed_and_alone(proofs: Sequence[Proof]) -> None:
    written = proof_html.page(proofs)
    written.encode("utf-8")
    assert not NEVER.search(written.replace("\n", ""))
    page = Page(written)
    tags = Counter(tag for tag, _ in page.tags)
    assert not tags["script"] + tags["img"] + tags["link"] + tags["iframe"]
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") or name == "src" for name in attributes)
        if tag == "a":
            assert re.fullmatch(r"#f[0-9]+", attributes["href"] or "")
        assert "http" not in (attributes.get("fill") or "")
    style = written[written.index("<style>") : written.index("</style>")]
    assert "http" not in style
    assert "url(" not in style
    assert "@import" not in style
    policies = [a["content"] for _, a in page.tags if a.get("http-equiv")]
    assert policies[0] is not None
    assert policies[0].startswith("default-src 'none'; style-src 'sha256-")
    assert not any("style" in attributes for _, attributes in page.tags)
    pictures = sum(tag == "svg" and "role" in attributes for tag, attributes in page.tags)
    assert pictures == sum(proof.comparison is not None for proof in proofs)


def test_html_says_what_was_found() -> None:
    page = Page(proof_html.page(made.PROOFS))
    found = re.sub(r"\s+", " ", "".join(page.words))
    for part in (
        "817.0 MB → 160.4 MB (-80.4 %)",
        "The build of the refactored file fails at RUN pip install -r requirements.txt",
        "ERROR: Failed building wheel for uwsgi",
        "The change that broke it drop-build-packages, line 9: gcc is only there to build",
        "no answer: connection refused after 30 s",
        "the file /app/static/site.css is gone",
        "needs libssl.so.3",
        "1 changed: curl 7.88-1 → 7.88-2",
        "1 of 2",
        "41.2 s → 1.3 s",
        "Two builds of the same text differ in 17 paths",
        "it need not run as root",
        "assumes: all may read the files of the build context",
    ):
        assert part in found
    for verdict in Verdict:
        assert str(verdict) in found
    for file in made.FILES:
        assert file.path in found


def test_layers_are_to_scale() -> None:
    page = Page(proof_html.page([made.DECLARED]))
    bars = [a for tag, a in page.tags if tag == "rect" and "layer" in (a.get("class") or "")]
    layers = [x for x in (*made.BEFORE.layers, *made.AFTER.layers) if x.files]
    assert len(bars) == len(layers)
    for bar, layer in zip(bars, layers, strict=True):
        height = float(bar["height"] or 0)
        assert height == pytest.approx(HEIGHT * layer.files / made.BEFORE.size, abs=0.006)
    wasted = [a for tag, a in page.tags if tag == "rect" and a.get("class") == "waste"]
    assert [float(a["height"] or 0) for a in wasted] == [
        pytest.approx(HEIGHT * layer.wasted / made.BEFORE.size, abs=0.006)
        for layer in layers
        if layer.wasted
    ]
    tints = [(bar["class"] or "").split()[1] for bar in bars]
    assert tints == ["same", *["old"] * 5, "same", *["new"] * 4]
    assert "2: 587.4 MB: FROM python:3.11 (2)" in "".join(page.words)


def test_amounts() -> None:
    shown = {0: "0 B", 999: "999 B", 1500: "1.5 kB", 999_949: "999.9 kB", 999_960: "1.0 MB"}
    assert {size: proof_words.amount(size) for size in shown} == shown
    assert proof_words.signed(-2_000_000) == "-2.0 MB"
    assert proof_words.percent(0, 5) == ""
    assert proof_words.percent(1000, 1000.1) == "0.0 %"
    assert proof_words.cut("x" * 10_000, 20) == "x" * 17 + "..."


def test_what_was_not_read_is_said() -> None:
    sentence = "a database of a form that is not read"
    assert made.DECLARED.comparison is not None
    said = "".join(proof_text.lines(made.DECLARED, False))
    assert sentence in said
    assert sentence in proof_json.document([made.DECLARED])
    assert sentence in proof_markdown.body([made.DECLARED])
    assert sentence in proof_html.page([made.DECLARED])
