"""Proofs as one HTML page that needs nothing else: no script, no font, no picture from outside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from refactor.engine import Remark
from refactor.proof.differences import Comparison, FileDifference, How
from refactor.proof.images import Image
from refactor.proof.results import Build, Proof, Question, Rebuild, Verdict
from refactor.report import proof_words as words
from refactor.report.html import badge, bar, code, folded, listed, pair, prose, table, text
from refactor.report.html import page as whole
from refactor.report.layer_picture import PATTERN, picture, tint

_TONES = {
    Verdict.UNCHANGED: "calm",
    Verdict.EQUIVALENT: "good",
    Verdict.DECLARED: "good",
    Verdict.BROKEN: "bad",
    Verdict.BASELINE: "warn",
    Verdict.REFUSED: "warn",
}
_ANSWERS = {"kept": "good", "lost": "bad", "none": "calm"}
_OPEN = 4  # so many files are open from the start
_FILES, _NAMES, _LOG = 200, 60, 60  # the JSON has all


def page(proofs: Sequence[Proof]) -> str:
    """Return the page."""
    title = f"Proof: {words.counted(len(proofs), 'Dockerfile')}"
    return "".join(whole(title, ("page.css", "proof.css"), _body(proofs)))


def _body(proofs: Sequence[Proof]) -> Iterator[str]:
    yield f"{PATTERN}<main>\n<h1>Dockerfiles before and after</h1>\n"
    before, after = words.totals(proofs)
    total = words.tally(proofs)
    if before and len(proofs) > 1:
        both = f"{words.megabytes(before)} → {words.megabytes(after)}"
        total += f". Together {both} ({words.percent(before, after)})"
    yield f'<p class="lead">{words.counted(len(proofs), "file")}: {total or "none"}.</p>\n'
    if len(proofs) > 1:
        yield from _overview(proofs)
    for number, proof in enumerate(proofs, 1):
        yield from _file(proof, number, number <= _OPEN or proof.verdict not in words.GOOD)
    yield (
        "<footer>Both images were built, compared and asked. What two builds of the same text "
        "differ in is left out. MB are a million bytes.</footer>\n</main>\n"
    )


def _overview(proofs: Sequence[Proof]) -> Iterator[str]:
    largest = max((max(_both_sizes(p.comparison)) for p in proofs if p.comparison), default=0)
    yield '<div class="card overview">\n'
    rows = []
    for number, proof in enumerate(proofs, 1):
        row = [f'<a href="#f{number}">{code(proof.path)}</a>', _badge(proof.verdict)]
        if found := proof.comparison:
            sizes = _both_sizes(found)
            part = words.percent(*sizes) if len({*sizes}) > 1 else ""
            row += [_bars(sizes, largest), *map(words.megabytes, sizes), part]
        else:
            row += [""] * 4
        rows.append(row)
    header = ("File", "Result", "", "Before", "After", "")
    yield from table(header, rows, frozenset({3, 4, 5}))
    yield "</div>\n"


def _file(proof: Proof, number: int, is_open: bool) -> Iterator[str]:
    yield f'<details class="card file" id="f{number}"{" open" if is_open else ""}>\n'
    yield f"<summary><h2>{code(proof.path)}</h2>{_badge(proof.verdict)}"
    if proof.comparison:
        yield f'<span class="soft">{words.sizes(proof.comparison, "→")}</span>'
    yield '</summary>\n<div class="inside">\n'
    if proof.reason:
        yield f'<p class="reason">{prose(proof.reason)}</p>\n'
    yield from _failure(proof)
    if proof.undeclared:
        yield '<div class="box bad"><b>Not declared by any change</b>\n'
        yield from listed([prose(sentence) for sentence in proof.undeclared])
        yield "</div>\n"
    if proof.comparison:
        yield from _figures(proof, proof.comparison)
    lost = not all(question.is_kept for question in proof.questions)
    if proof.comparison and not lost:
        yield from _layers(proof.comparison)
    yield from _questions(proof.questions)
    if proof.rebuild:
        yield from _rebuild(proof.rebuild)
    if proof.comparison:
        yield from _layers(proof.comparison) if lost else ()
        yield from _differences(proof.comparison)
    yield from _changes(proof)
    yield "</div>\n</details>\n"


def _badge(verdict: Verdict) -> str:
    return badge(verdict, _TONES[verdict])


def _both_sizes(comparison: Comparison) -> tuple[int, int]:
    return comparison.before.size, comparison.after.size


def _bars(values: tuple[float, float], largest: float) -> str:
    """Return two bars, one below the other."""
    return bar([("old", values[0])], largest) + bar([("new", values[1])], largest)


def _failure(proof: Proof) -> Iterator[str]:
    found = words.failed(proof)
    if not found and not proof.cause:
        return
    yield f'<div class="box {"warn" if proof.verdict is Verdict.BASELINE else "bad"}">\n'
    if found:
        which, build = found
        yield f"<p><b>The build of the {which} fails at</b> {code(build.failed)}</p>\n"
        if log := "\n".join(text(row, 1000) for row in build.log[-_LOG:]):
            yield f"<pre>{log}</pre>\n"
    if cause := proof.cause:
        where = f"{code(cause.transform)}, line {cause.line}: {prose(cause.reason)}"
        yield f"<p><b>The change that broke it</b> {where}</p>\n"
    yield "</div>\n"


def _figures(proof: Proof, comparison: Comparison) -> Iterator[str]:
    before, after = comparison.before, comparison.after
    part = words.percent(before.size, after.size) if before.size != after.size else "the same"
    sizes = pair(words.megabytes(before.size).removesuffix(" MB"), words.megabytes(after.size))
    if before.size == after.size:
        sizes = words.megabytes(before.size)
    wasted = pair(words.amount(before.wasted), words.amount(after.wasted))
    missing = (words.libraries(before), words.libraries(after))
    figures = [
        ("Size", sizes, part),
        ("Layers", pair(str(len(before.layers)), str(len(after.layers))), f"{wasted} wasted"),
        ("User", pair(*(code(words.user(i), 60) for i in (before, after))), ""),
        ("Unresolved libraries", pair(*map(str, missing)), ""),
    ]
    if packed := words.packed(comparison, "→"):
        figures.append(("Compressed", packed, ""))
    if proof.questions:
        figures.append(("Answers kept", words.kept(proof.questions), ""))
    if found := proof.rebuild:
        times = pair(_seconds(found.before), _seconds(found.after))
        part = words.percent(found.before.seconds, found.after.seconds)
        figures.append(("Rebuild", times, part))
    yield '<dl class="figures">\n'
    for name, value, note in figures:
        small = f"<small>{note}</small>" if note else ""
        yield f"<div><dt>{name}</dt><dd>{value}{small}</dd></div>\n"
    yield "</dl>\n"


def _layers(comparison: Comparison) -> Iterator[str]:
    before, after = comparison.before, comparison.after
    yield "<h3>Layers</h3>\n"
    keys = (("same", "in both"), ("old", "only before"), ("new", "only after"), ("lines", "wasted"))
    spans = (f'<span><i class="swatch {tone}"></i>{name}</span>' for tone, name in keys)
    yield f'<div class="key soft">{"".join(spans)}</div>\n'
    yield f'<div class="layers">\n<div>{picture(comparison)}</div>\n'
    for name, image, other, own in (
        ("Before", before, after, "old"),
        ("After", after, before, "new"),
    ):
        yield f'<div><h4>{name} <span class="soft">the last layer on top</span></h4>\n'
        yield from table(("", "", ""), _layer_rows(image, other, own), frozenset({1}))
        yield "</div>\n"
    yield "</div>\n"


def _layer_rows(image: Image, other: Image, own: str) -> Iterator[tuple[str, str, str]]:
    for layer in reversed(image.layers):
        size = words.amount(layer.files)
        if layer.wasted:
            size += f"<br><small>{words.amount(layer.wasted)} wasted</small>"
        step = f'<span class="step" title="{text(layer.step, 2000)}">{code(layer.step)}</span>'
        yield f'<i class="swatch {tint(layer, other, own)}"></i>', size, step


def _differences(comparison: Comparison) -> Iterator[str]:
    yield from _files(comparison)
    if comparison.settings:
        yield "<h3>Settings that differ</h3>\n"
        rows = ((code(s.name), _value(s.before), _value(s.after)) for s in comparison.settings)
        yield from table(("Setting", "Before", "After"), rows)
    yield from _packages(comparison)
    for title, defects in (
        ("New defects", comparison.defects_added),
        ("Defects that are gone", comparison.defects_gone),
    ):
        if defects:
            yield f"<h3>{title}</h3>\n"
            cells = ((text(d.kind), code(d.path), text(d.what)) for d in sorted(defects))
            yield from table(("Kind", "Path", "What"), cells)
    found = [
        (str(how), code(path))
        for how, paths in (
            (How.ADDED, comparison.privileged_added),
            (How.GONE, comparison.privileged_gone),
        )
        for path in sorted(paths)
    ]
    if found:
        yield "<h3>Files that run as their owner or group</h3>\n"
        yield from table(("", "Path"), found)


def _files(comparison: Comparison) -> Iterator[str]:
    """Yield a row for each group, which a click opens for its paths."""
    rows = words.groups(comparison.files)
    if rows:
        yield '<h3>Files that differ</h3>\n<div class="groups">\n'
        largest = max(abs(row.size) for row in rows)
        for row in rows:
            size = bar([("new" if row.size > 0 else "old", abs(row.size))], largest)
            yield (
                f'<details><summary><span>{row.group}</span><span class="soft">'
                f'{words.counts(row.counts)}</span><span class="number">'
                f"{words.signed(row.size)}</span>{size}</summary>\n"
            )
            yield from _paths(row.files)
            yield "</details>\n"
        yield "</div>\n"
    for sentence in comparison.unread:
        yield f'<p class="soft">Not read, so not compared: {text(sentence)}</p>\n'
    if comparison.noise:
        left_out = words.counted(comparison.noise, "path")
        yield f'<p class="soft">Two builds of the same text differ in {left_out}: left out.</p>\n'


def _paths(files: Sequence[FileDifference]) -> Iterator[str]:
    cells = (
        (file.how, words.signed(file.size), code(file.path), text(", ".join(file.what)))
        for file in files[:_FILES]
    )
    yield from table(("", "", "", ""), cells, frozenset({1}))
    if len(files) > _FILES:
        yield f'<p class="soft">and {len(files) - _FILES:,} more; the JSON report has all</p>\n'


def _packages(comparison: Comparison) -> Iterator[str]:
    rows = words.packages(comparison)
    if not rows:
        return
    yield "<h3>Packages</h3>\n"
    for how in How:
        found = [row for row in rows if row.how is how]
        if not found:
            continue
        names = [f"{code(row.name)} {text(row.version('→'))}" for row in found[:_NAMES]]
        if len(found) > _NAMES:
            names.append(f"{len(found) - _NAMES:,} more")
        yield f"<p>{len(found):,} {how}: {', '.join(names)}</p>\n"


def _questions(questions: Sequence[Question]) -> Iterator[str]:
    if not questions:
        return
    yield "<h3>What both were asked</h3>\n"
    rows = []
    for question in sorted(questions, key=lambda question: question.is_kept):
        before, after = words.answers(question)
        mark = words.mark(question)
        rows.append((badge(mark, _ANSWERS[mark]), code(question.text), text(before), text(after)))
    yield '<div class="asked">\n'
    yield from table(("", "Question", "Before", "After"), rows)
    yield "</div>\n"


def _rebuild(rebuild: Rebuild) -> Iterator[str]:
    yield f"<h3>Rebuild after an edit of {code(rebuild.edited)}</h3>\n"
    largest = max(rebuild.before.seconds, rebuild.after.seconds)
    yield '<div class="times">\n'
    for name, tone, build in (("before", "old", rebuild.before), ("after", "new", rebuild.after)):
        time = bar([(tone, build.seconds)], largest)
        yield f"<span>{name}</span>{time}<span>{_seconds(build)}</span>\n"
    yield "</div>\n"
    for name, build in (("before", rebuild.before), ("after", rebuild.after)):
        if build.ran:
            title = f"{words.counted(len(build.ran), 'step')} ran again {name}"
            yield from folded(title, listed([code(step) for step in build.ran]))


def _changes(proof: Proof) -> Iterator[str]:
    if proof.matches:
        yield "<h3>What the changes declare, and was found</h3>\n"
        yield from table(
            ("Change", "Why", "Found"),
            (
                (code(m.transform), prose(m.reason), "<br>".join(map(prose, m.found)))
                for m in proof.matches
            ),
        )
    made = [remark for remark in proof.changes if remark.kind == "change"]
    if made:
        title = f"{words.counted(len(made), 'change')} of the text"
        yield from folded(title, table(("Line", "Change", "Level", "Why"), _made(made)))


def _made(made: Iterable[Remark]) -> Iterator[tuple[str, str, str, str]]:
    for remark in made:
        why = [prose(remark.reason), *(f"assumes: {prose(a)}" for a in remark.assumes)]
        yield str(remark.line), code(remark.transform), text(remark.level), "<br>".join(why)


def _seconds(build: Build) -> str:
    return f"{build.seconds:.1f} s"


def _value(value: str | None) -> str:
    return '<span class="soft">not set</span>' if value is None else code(value)
