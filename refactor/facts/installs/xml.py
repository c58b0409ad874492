"""Manifests in XML: elements by their local names; a document type is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from refactor.facts.installs.reading import MISSING, refuse

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_ELEMENTS = 20_000


def document(text: str, path: str) -> Element:
    """Return the root of a document."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        refuse(MISSING, f"{path} defines entities", "write them out")
    from xml.etree.ElementTree import ParseError, fromstring

    try:
        root = fromstring(text.encode())
    except (ParseError, ValueError, LookupError):
        refuse(MISSING, f"{path} is no XML", "correct it")
    if sum(1 for _ in root.iter()) > MAX_ELEMENTS:
        refuse(MISSING, f"{path} is too large", "none")
    return root


def name_of(element: Element) -> str:
    """Return an element's name without its name space."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def named(root: Element, *names: str) -> Iterator[Element]:
    """Yield the elements of these names, at any depth."""
    return (element for element in root.iter() if name_of(element) in names)


def text_of(element: Element) -> str:
    """Return what an element says."""
    return (element.text or "").strip()
