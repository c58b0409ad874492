"""The layers of two images as two columns of one scale, in SVG that stands in a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from refactor.proof.differences import Comparison
from refactor.proof.images import Image, Layer
from refactor.report import proof_words as words
from refactor.report.html import text

HEIGHT = 320.0  # of the larger image
_TOP, _FOOT, _WIDE, _COLUMN = 26.0, 42.0, 300.0, 118.0
_LEFT = (16.0, 166.0)
_LINE = 15.0  # a layer that is less high has no text

# Once in a page: the hatching of wasted bytes.
PATTERN = (
    '<svg class="unseen" aria-hidden="true"><defs>'
    '<pattern id="wasted" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect class="hatch" width="2" height="6"/>'
    "</pattern></defs></svg>\n"
)


class Part(NamedTuple):
    """A layer's place in its column; `top` and `height` are in pixels."""

    layer: Layer
    number: int
    tint: str
    top: float
    height: float


def tint(layer: Layer, other: Image, own: str) -> str:
    """Return the colour of a layer: its own image's, or that of what both have."""
    same = layer.digest and any(layer.digest == o.digest for o in other.layers)
    return "same" if same else own


def parts(image: Image, other: Image, own: str) -> list[Part]:
    """Return where each layer stands, the first one at the bottom."""
    largest = max(image.size, other.size)
    scale = HEIGHT / largest if largest else 0.0
    bottom, found = _TOP + HEIGHT, []
    for number, layer in enumerate(image.layers, 1):
        height = layer.files * scale
        bottom -= height
        found.append(Part(layer, number, tint(layer, other, own), bottom, height))
    return found


def picture(comparison: Comparison) -> str:
    """Return the picture of both images."""
    before, after = comparison.before, comparison.after
    label = f"Layers: {words.sizes(comparison, 'to')}"
    size = f"{_WIDE:.0f} {_TOP + HEIGHT + _FOOT:.0f}"
    rows = [f'<svg viewBox="0 0 {size}" role="img" aria-label="{text(label)}">\n']
    rows += _column(parts(before, after, "old"), _LEFT[0])
    rows += _column(parts(after, before, "new"), _LEFT[1])
    floor = _TOP + HEIGHT
    for left, name, image in zip(_LEFT, ("before", "after"), (before, after), strict=True):
        middle = left + _COLUMN / 2
        rows.append(
            f'<text x="{middle}" y="{floor + 18}" text-anchor="middle">'
            f"{words.megabytes(image.size)}</text>\n"
            f'<text class="faint" x="{middle}" y="{floor + 34}" text-anchor="middle">'
            f"{name}, {words.counted(len(image.layers), 'layer')}</text>\n"
        )
    rows += _difference(comparison)
    rows.append(f'<line class="floor" x1="4" x2="{_WIDE - 4}" y1="{floor}" y2="{floor}"/>\n')
    return "".join((*rows, "</svg>\n"))


def _column(found: list[Part], left: float) -> Iterator[str]:
    for part in found:
        layer = part.layer
        if not layer.files:
            continue
        edge = " edge" if part.height > 3 else ""  # an edge would hide what is thin
        place = f'x="{left}" y="{part.top:.2f}" width="{_COLUMN}"'
        wasted = f", {words.amount(layer.wasted)} of it wasted" if layer.wasted else ""
        title = f"{part.number}: {words.amount(layer.files)}{wasted}: {layer.step}"
        yield f"<g><title>{text(title)}</title>\n"
        yield f'<rect class="layer {part.tint}{edge}" {place} height="{part.height:.2f}"/>\n'
        if layer.wasted:
            height = part.height * min(1.0, layer.wasted / layer.files)
            yield f'<rect class="waste" fill="url(#wasted)" {place} height="{height:.2f}"/>\n'
        if part.height >= _LINE:
            middle = part.top + part.height / 2 + 4.5
            yield (
                f'<text class="{part.tint}" x="{left + _COLUMN / 2}" y="{middle:.2f}" '
                f'text-anchor="middle">{words.amount(layer.files)}</text>\n'
            )
        yield "</g>\n"


def _difference(comparison: Comparison) -> Iterator[str]:
    """Yield by how much the second column is another height, above the lower one."""
    before, after = comparison.before.size, comparison.after.size
    part = words.percent(before, after)
    if not part or before == after:
        return
    largest = max(before, after)
    low = HEIGHT * min(before, after) / largest
    left = _LEFT[after < before]
    height = HEIGHT - low
    yield (
        f'<rect class="ghost" x="{left + 0.5}" y="{_TOP + 0.5}" width="{_COLUMN - 1}" '
        f'height="{max(0.0, height - 1):.2f}"/>\n'
    )
    middle = _TOP + height / 2 + 5 if height > 24 else _TOP - 8
    yield (f'<text x="{left + _COLUMN / 2}" y="{middle:.2f}" text-anchor="middle">{part}</text>\n')
    if height > 60:
        yield (
            f'<text class="faint" x="{left + _COLUMN / 2}" y="{middle + 17:.2f}" '
            f'text-anchor="middle">{words.signed(after - before)}</text>\n'
        )
