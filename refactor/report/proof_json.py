"""Proofs as JSON, with all that was found; docs/proof.schema.json describes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from refactor.engine import Remark
from refactor.proof.differences import Comparison, FileDifference
from refactor.proof.images import Defect, Image, Layer, Package, Settings
from refactor.proof.results import Answer, Build, Match, Proof, Question, Rebuild
from refactor.report.json_text import written

VERSION = 1


def document(proofs: Sequence[Proof]) -> str:
    """Return proofs as a JSON document, in the given order."""
    return written({"version": VERSION, "proofs": [_proof(proof) for proof in proofs]})


def comparison_document(comparison: Comparison) -> str:
    """Return how two images differ as a JSON document."""
    return written({"version": VERSION, "comparison": _comparison(comparison)})


def _proof(proof: Proof) -> dict[str, object]:
    cause = proof.cause
    return {
        "path": proof.path,
        "verdict": proof.verdict.name.lower(),
        "reason": proof.reason,
        "changes": [_remark(remark) for remark in proof.changes],
        "before": _build(proof.before) if proof.before else None,
        "after": _build(proof.after) if proof.after else None,
        "comparison": _comparison(proof.comparison) if proof.comparison else None,
        "matches": [_match(match) for match in proof.matches],
        "undeclared": proof.undeclared,
        "questions": [_question(question) for question in proof.questions],
        "rebuild": _rebuild(proof.rebuild) if proof.rebuild else None,
        "cause": cause and cause._asdict(),
    }


def _remark(remark: Remark) -> dict[str, object]:
    return {
        "kind": remark.kind,
        "transform": remark.transform,
        "line": remark.line,
        "reason": remark.reason,
        "level": remark.level,
        "code": remark.code,
        "unlock": remark.unlock,
        "assumes": remark.assumes,
    }


def _build(build: Build) -> dict[str, object]:
    return {
        "seconds": build.seconds,
        "ran": build.ran,
        "cached": build.cached,
        "failed": build.failed or None,
        "log": build.log,
    }


def _match(match: Match) -> dict[str, object]:
    return {"transform": match.transform, "reason": match.reason, "found": match.found}


def _question(question: Question) -> dict[str, object]:
    return {
        "text": question.text,
        "kept": question.is_kept,
        "before": _answer(question.before),
        "after": _answer(question.after),
    }


def _answer(answer: Answer) -> dict[str, object]:
    return {
        "status": answer.status,
        "body": answer.body,
        "error": answer.error or None,
        "uid": answer.uid,
        "stops": answer.stops,
    }


def _rebuild(rebuild: Rebuild) -> dict[str, object]:
    return {
        "edited": rebuild.edited,
        "before": _build(rebuild.before),
        "after": _build(rebuild.after),
    }


def _comparison(comparison: Comparison) -> dict[str, object]:
    return {
        "before": _image(comparison.before),
        "after": _image(comparison.after),
        "settings": [setting._asdict() for setting in comparison.settings],
        "files": [_file(file) for file in sorted(comparison.files)],
        "packages": {
            "added": _packages(comparison.packages_added),
            "gone": _packages(comparison.packages_gone),
        },
        "defects": {
            "added": _defects(comparison.defects_added),
            "gone": _defects(comparison.defects_gone),
        },
        "privileged": {
            "added": sorted(comparison.privileged_added),
            "gone": sorted(comparison.privileged_gone),
        },
        "noise": comparison.noise,
        "unread": list(comparison.unread),
    }


def _file(file: FileDifference) -> dict[str, object]:
    return {
        "path": file.path,
        "how": file.how,
        "group": file.group.name.lower(),
        "size": file.size,
        "what": file.what,
    }


def _image(image: Image) -> dict[str, object]:
    return {
        "size": image.size,
        "stored": image.stored,
        "wasted": image.wasted,
        "paths": len(image.tree),
        "settings": _settings(image.settings),
        "layers": [_layer(layer) for layer in image.layers],
        "packages": _packages(image.packages),
        "defects": _defects(image.defects),
        "privileged": sorted(image.privileged),
    }


def _layer(layer: Layer) -> dict[str, object]:
    return {
        "digest": layer.digest,
        "step": layer.step,
        "stored": layer.stored,
        "files": layer.files,
        "entries": layer.entries,
        "wasted": layer.wasted,
    }


def _settings(settings: Settings) -> dict[str, object]:
    return {
        "env": settings.env,
        "user": settings.user,
        "workdir": settings.workdir,
        "entrypoint": settings.entrypoint,
        "cmd": settings.cmd,
        "ports": sorted(settings.ports),
        "volumes": sorted(settings.volumes),
        "labels": settings.labels or {},
        "healthcheck": settings.healthcheck,
        "stop_signal": settings.stop_signal,
        "shell": settings.shell,
        "onbuild": settings.onbuild,
        "platform": settings.platform,
    }


def _packages(packages: Iterable[Package]) -> list[dict[str, object]]:
    return [package._asdict() for package in sorted(packages)]


def _defects(defects: Iterable[Defect]) -> list[dict[str, object]]:
    return [defect._asdict() for defect in sorted(defects)]
