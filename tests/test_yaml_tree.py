"""Settings are written into YAML as whole lines; all else stays byte for byte, or it is refused."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from refactor.outside.yaml_tree import MAX_TEXT, Node, Unclear, Value, added, trees, written
from refactor.source import apply, decode, encode
from tests import corpus

FIELDS: dict[str, Value] = {
    "cap_drop": ("ALL",),
    "security_opt": ("no-new-privileges:true",),
    "read_only": True,
    "user": "10001",
}


def web(text: str) -> tuple[Node, ...]:
    """Return the chain of nodes to the service `web`."""
    root = trees(text)[0]
    services = root.get("services")
    assert services is not None
    service = services.get("web")
    assert service is not None
    return root, services, service


def edited(text: str, fields: dict[str, Value] | None = None) -> str:
    """Return a text with fields at the end of the service `web`."""
    given = {"init": True} if fields is None else fields
    return apply(text, [written(text, web(text), "services.web.", given)])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("services:\n  web:\n    build: .\n", "services:\n  web:\n    build: .\n    init: true\n"),
        ("services:\n  web:\n    build: .", "services:\n  web:\n    build: .\n    init: true"),
        (
            "services:\r\n  web:\r\n    build: .\r\n  db:\r\n    image: a\r\n",
            "services:\r\n  web:\r\n    build: .\r\n    init: true\r\n  db:\r\n    image: a\r\n",
        ),
        (
            "services:\n  web:\n    build: . # here\n\n  # the data\n  db:\n    image: a\n",
            "services:\n  web:\n    build: . # here\n    init: true\n\n  # the data\n"
            "  db:\n    image: a\n",
        ),
        (
            "services:\n  web:\n    ports:\n      - '1:1'\n      # - 2:2\n    # tty: true\n  # b\n",
            "services:\n  web:\n    ports:\n      - '1:1'\n      # - 2:2\n    # tty: true\n"
            "    init: true\n  # b\n",
        ),
        (
            "services:\n    web:\n        command: |\n            a\n\n            b\n\n"
            "volumes: {}\n",
            "services:\n    web:\n        command: |\n            a\n\n            b\n"
            "        init: true\n\nvolumes: {}\n",
        ),
        (
            "services:\n  web:\n    build: .\n    command: [\n      a,\n      b\n    ]  # c\n",
            "services:\n  web:\n    build: .\n    command: [\n      a,\n      b\n    ]  # c\n"
            "    init: true\n",
        ),
        (
            "x: &x\n  tty: true\nservices:\n  web:\n    <<: *x\n    labels: *x\n",
            "x: &x\n  tty: true\nservices:\n  web:\n    <<: *x\n    labels: *x\n    init: true\n",
        ),
        (
            "\ufeffservices:\n  web:\n    x: !reset null\n    build:\n",
            "\ufeffservices:\n  web:\n    x: !reset null\n    build:\n    init: true\n",
        ),
    ],
)
def test_lines_are_inserted(before: str, after: str) -> None:
    assert edited(before) == after


@pytest.mark.parametrize(
    ("ports", "lines"),
    [
        ("      - a\n", "    cap_drop:\n      - ALL\n"),
        ("    - a\n", "    cap_drop:\n    - ALL\n"),
        ("        - a\n", "    cap_drop:\n        - ALL\n"),
    ],
)
def test_lists_are_indented_as_in_the_file(ports: str, lines: str) -> None:
    text = f"services:\n  web:\n    ports:\n{ports}"
    assert edited(text, {"cap_drop": ("ALL",)}) == text + lines


def test_nested_maps_are_indented_as_in_the_file() -> None:
    text = "services:\n    web:\n        build: .\n"
    assert edited(text, {"a": {"b": {"c": ("d",)}}}) == (
        text + "        a:\n            b:\n                c:\n                  - d\n"
    )


def test_a_text_that_would_be_a_number_is_quoted() -> None:
    text = "services:\n  web:\n    build: .\n"
    assert edited(text, {"user": "10001", "a": "yes"}).endswith('    user: "10001"\n    a: "yes"\n')


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("services:\n  web: {build: .}\n", "no block of keys"),
        ("services:\n  web: &a\n    build: .\n  b: *a\n", "another place"),
        ("services: &a\n  web:\n    build: .\nx: *a\n", "another place"),
        ("services:\n  web: &a\n    build: .\n  b:\n    <<: *a\n", "another place"),
        ("services:\n  web:\n    init: false\n", "is there"),
        ("services:\n  web:\n    a: b\n    a: c\n", "given twice"),
        ("services:\n  web:\n    build: .\n\tx: y\n", "tabs"),
        ("services:\n  web:\n    build: {{ .x }}\n", "template"),
        ("services:\n  web:\n    build: .\n...\n", "ends of documents"),
        ("%YAML 1.1\n---\nservices:\n  web:\n    build: .\n", "directives"),
        ("services:\n  web:\n    build: [\n", "not read as YAML"),
        ("services:\n  web:\n    build: *a\n    ? [b]\n    : c\n", "no text"),
        ("services:\n  web:\n    a: |+\n      b\n\n\n", "not what it was"),
        ("services:\n  web:\n    a: |\n      b", "not what it was"),
        ("a: " + "[" * 100 + "]" * 100, "too deep"),
        ("a: b\n" * (MAX_TEXT // 4), "characters"),
    ],
)
def test_what_is_not_clear_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Unclear, match=reason):
        edited(text)


def test_a_service_that_is_an_alias_is_refused() -> None:
    text = "x: &a\n  build: .\nservices:\n  web: *a\n"
    with pytest.raises(Unclear, match="no block of keys"):
        edited(text)


BASE = "# a\nx: &x {a: 1}\nservices:\n  web:\n    build: '.'  # b\n    y: *x\n    l:\n    - 1\n"


@pytest.mark.parametrize(
    "after",
    [
        BASE.replace("# a\n", ""),
        BASE.replace("# b", "# c"),
        BASE.replace("'.'", '"."'),
        BASE.replace("a: 1", "a: 2"),
        BASE.replace("    - 1\n", ""),
        BASE.replace("*x", "!!str"),
        BASE + "    - 2\n",
        BASE + "---\na: b\n",
        BASE.replace("    y: *x\n", "") + "    y: *x\n",
        BASE.replace("services:\n", "services:\n  db:\n    a: b\nx2:\n"),
    ],
)
def test_any_other_difference_is_one(after: str) -> None:
    with pytest.raises(Unclear):
        added(BASE, after)


def test_what_is_new_is_named() -> None:
    after = (
        BASE.replace("    l:\n", "    init: true\n    l:\n") + "    c:\n      - A\n    d: {e: f}\n"
    )
    assert added(BASE, after) == (
        "services.web.init: true", "services.web.c: [A]", "services.web.d: {e: f}"
    )  # fmt: skip
    assert added(BASE, BASE) == ()


def test_a_quoted_true_is_no_true() -> None:
    assert added("a: b\n", 'a: b\nread_only: "true"\n') != ("read_only: true",)


def test_much_yaml_takes_no_long_time() -> None:
    start = time.monotonic()
    assert len(trees("a: &a [" + "*a, " * 9_000 + "]")) == 1
    for text in ("[" * 250_000, "- " * 9_000, "a:\n" * 9_000):
        with pytest.raises(Unclear):
            trees(text)
    assert trees("#\n" * 100_000) == ()
    assert time.monotonic() - start < 30


def files() -> list[Path]:
    """Return the YAML files of the corpus's contexts."""
    found = (corpus.folder() / "dev" / "contexts").rglob("*.y*ml")
    return sorted(path for path in found if path.is_file())


def maps(text: str) -> Iterator[tuple[int, str, tuple[Node, ...]]]:
    """Yield services and containers: the document, the keys to them and the nodes on the way."""
    several = len(trees(text)) > 1
    for number, root in enumerate(trees(text)):
        at = f"{number}." if several else ""
        services = root.get("services")
        for name, node in services.pairs if services is not None else ():
            assert services is not None
            yield number, f"{at}services.{name.value}.", (root, services, node)


def test_files_of_the_corpus_round_trip_and_load_to_the_same_data() -> None:
    seen = changed = 0
    for path in files():
        data = path.read_bytes()
        text = decode(data)
        try:
            places = list(maps(text))
        except Unclear:
            continue
        assert encode(apply(text, [])) == data
        assert added(text, text) == ()
        seen += bool(places)
        if not places:
            continue
        loader = YAML(typ="safe", pure=True)
        old = list(loader.load_all(text))
        wanted, edits = copy.deepcopy(old), []
        for number, at, chain in places:
            try:
                edits.append(written(text, chain, at, FIELDS))
            except Unclear:
                continue
            wanted[number]["services"][at.split(".")[-2]] |= loaded(FIELDS)
        after = apply(text, edits)
        assert list(loader.load_all(after)) == wanted, path
        rest = iter(after.splitlines())
        assert all(line in rest for line in text.splitlines()), path
        changed += bool(edits)
    assert seen >= 48
    assert changed >= 45


def loaded(fields: dict[str, Value]) -> dict[str, Any]:
    """Return fields as YAML is loaded."""
    return {key: list(v) if isinstance(v, tuple) else v for key, v in fields.items()}
