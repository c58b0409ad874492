"""The part of the comparison that asks what stands around a Dockerfile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from refactor.effects import Build, Stage
from refactor.facts.stages import Graph
from refactor.model import Claim, Effect

if TYPE_CHECKING:
    from refactor.effects.stages import Surroundings

_NUMBERED = ("stage ", "- USER ", "+ USER ")  # the footprint of a user that gets a number


class Structural:
    """Compares builds whose stages, bases, users, copies or contexts differ, as claimed."""

    def __init__(
        self, claims: Iterable[Claim], assumes: frozenset[str],
        around: tuple[Surroundings, Surroundings], graph: Graph,
    ) -> None:  # fmt: skip
        self.claims = Counter(claims)
        self.assumes = assumes
        self.around = around
        self.graph = graph

    def config(self, before: dict[str, Any], after: dict[str, Any]) -> str | None:
        """Compare the configurations of two stages."""
        raise NotImplementedError

    @property
    def open(self) -> list[Claim]:
        """The claims that no difference has used up yet."""
        return [claim for claim, count in self.claims.items() if count > 0]

    def use(self, effect: Effect, *footprint: str) -> bool:
        """Use up one claim, if there is one."""
        claim = Claim(effect, frozenset(footprint))
        if self.claims[claim] <= 0:
            return False
        self.claims[claim] -= 1
        return True

    def wanted(self, before: Build, after: Build) -> Build | str:
        """Return the build before that claims of secrets, installs, bases and purges make of it."""
        if any(c.effect is Effect.SECRETS for c in self.open):
            found = self.secured(before, after)
            if isinstance(found, str):
                return found
            before = found
        around = self.around[0], self.assumes, self.graph
        if any(c.effect is Effect.STAGES for c in self.open):
            from refactor.effects.moved_installs import moved_again

            found = moved_again(before, self.claims, *around)
            if isinstance(found, str):
                return found
            before = found
        if any(c.effect is Effect.FILES and len(c.footprint) == 3 for c in self.open):
            from refactor.effects.compiled_sources import compiled_again

            found = compiled_again(before, after, self.claims, *around)
            if isinstance(found, str):
                return found
            before = found
        if not any(c.effect in (Effect.BASE, Effect.PACKAGES) for c in self.open):
            return before
        from refactor.effects.distroless import distroless_based
        from refactor.effects.purges import purged_again

        based = distroless_based(before, after, self.claims, *around)
        return based if isinstance(based, str) else purged_again(based, after, self.claims, *around)

    def secured(self, before: Build, after: Build) -> Build | str:
        """Return the build before with the arguments as secrets that are claimed to be."""
        from refactor.effects.passed_secrets import still_passed
        from refactor.effects.secret_mounts import claimed, secured

        found = [(claim, claimed(claim.footprint)) for claim in self.open]
        wanted = [
            (claim, names) for claim, names in found if claim.effect is Effect.SECRETS and names
        ]
        for claim, names in wanted:
            self.use(claim.effect, *claim.footprint)
            if names and (place := still_passed(self.around[1], names[1])):
                return f"{names[1]} is passed as an argument: {place}"
        found_ = secured(before, after, [names for _, names in wanted if names], self.graph)
        return found_ if isinstance(found_, str) else self.mounted_files(found_)

    def mounted_files(self, before: Build) -> Build | str:
        """Return the build before with the files as secrets that are claimed to be."""
        from refactor.effects.file_secrets import claimed, secured

        wanted: dict[str, set[str]] = {}
        for claim in [c for c in self.open if c.effect is Effect.SECRETS]:
            path = claimed(claim.footprint)
            label = next((w[6:] for w in claim.footprint if w.startswith("stage ")), "")
            if path and self.use(claim.effect, *claim.footprint):
                wanted.setdefault(path, set()).add(label)
        around, after = self.around
        return secured(before, after, around, self.graph, wanted, self.assumes)

    def piped(self, before: Build, after: Build) -> Build | str:
        """Return the build before with the shells that claims of `pipefail` give its stages."""
        if not any(c.effect is Effect.COMMANDS for c in self.open):
            return before
        from refactor.effects.pipefail import ASH, BASH, set_again

        for index, stage in enumerate(before.stages):
            label = f"stage {stage.name or index}"
            for shell in (ASH, BASH):
                if self.use(Effect.COMMANDS, label, f"shell {' '.join(shell)}"):
                    image = self.graph.stages[index].image
                    found = set_again(before, after, index, shell, image, self.assumes)
                    if isinstance(found, str):
                        return found
                    before = found
        return before

    def numbered(self, before: Build, after: Build) -> Build | str:
        """Return the build before with the numbers that claims give to its users."""
        for claim in [c for c in self.open if c.effect is Effect.USER]:
            words = ((kind, text) for text in claim.footprint for kind in _NUMBERED)
            parts = {kind: text[len(kind) :] for kind, text in words if text.startswith(kind)}
            stages = [s for s in self.graph.stages if s.label == parts.get("stage ")]
            if not stages or len(parts) != 3 or len(claim.footprint) != 3:
                continue
            from refactor.effects.numbered import renumbered

            while self.use(claim.effect, *claim.footprint):
                pass  # one number for the name, however often it stands there
            names = parts["- USER "], parts["+ USER "]
            found = renumbered(before, after, stages[0].index, stages[0].image, names)
            if isinstance(found, str):
                return found
            before = found
        return before

    def folded(self, before: Build) -> Build:
        """Return the build before with the flags that claims give to COPY instead of a command."""
        if not any(c.effect is Effect.FILES and len(c.footprint) == 4 for c in self.open):
            return before
        from refactor.effects.folded import Fold, folded, folds, footprint

        stages = list(before.stages)
        for index in range(len(stages)):
            again = True
            while again:
                again = False
                for at, found in folds(stages[index]):
                    fits = isinstance(found, Fold) and self.assumes.issuperset(found.assumes)
                    if not fits or not isinstance(found, Fold):
                        continue
                    label = self.graph.stages[index].label
                    if self.use(Effect.FILES, *footprint(label, stages[index], at, found)):
                        stages[index] = folded(stages[index], at, found)
                        again = True
                        break
        return before._replace(stages=tuple(stages))

    def entered(self, before: Build, after: Build) -> Build:
        """Return the build before with the folders that claims let WORKDIR enter, not `cd`."""
        if not any(part.startswith("- cd ") for c in self.open for part in c.footprint):
            return before
        from refactor.effects.entered import entered_again

        def use(footprint: frozenset[str]) -> bool:
            return self.use(Effect.COMMANDS, *footprint)

        labels = [stage.label for stage in self.graph.stages]
        return entered_again(before, after, labels, use, self.assumes)

    def user_claim(self, label: str) -> Claim | None:
        """Return the claim that a stage's containers run as another user."""
        found = (c for c in self.open if c.effect is Effect.USER and label in c.footprint)
        return next(found, None)

    def switched(self, before: Build, after: Build, index: int, claim: Claim) -> str | None:
        """Compare two stages whose containers run as different users."""
        from refactor.effects.users import Switch, user_set

        self.use(claim.effect, *claim.footprint)
        switch = Switch(
            before, after, index, claim.footprint, self.around[1], self.assumes, self.graph
        )
        return user_set(switch)

    def context(self, build: Build) -> str | None:
        """Compare the other files: what is sent of the build context, and what settings say."""
        before, after = self.around
        if before.files == after.files:
            return None
        if any(c.effect is Effect.SECRETS for c in self.open):
            return self.given_otherwise()
        from refactor.effects.ignored import left_out

        found = left_out(before.sent, after.sent, build)
        if isinstance(found, str):
            return found
        if found and not self.use(Effect.FILES, *found):
            return "files are left out"
        paths = {p for p, text in after.files.items() if before.files.get(p) != text}
        if after.sent is not None:
            paths = {path for path in paths if not path.endswith(after.sent.source)}
        return self.settings(build, paths)

    def settings(self, build: Build, paths: set[str]) -> str | None:
        """Compare files of settings: they say what they said, and what is claimed besides."""
        claims = [claim for claim in self.open if claim.effect is Effect.SETTINGS]
        known = {f"in {path}" for path in paths}
        if unclaimed := known.difference(*(claim.footprint for claim in claims)):
            return f"nothing is claimed {min(unclaimed)}"
        if not claims:
            return None
        from refactor.effects.hardened import unlicensed

        for claim in claims:
            self.use(claim.effect, *claim.footprint)
        return unlicensed(self.around, build, self.graph, claims, self.assumes)

    def given_otherwise(self) -> str | None:
        """Compare files that give a secret to a build, or take one, in another way."""
        from refactor.effects.passed_secrets import claimed, difference

        before, after = self.around
        passing: dict[str, set[str]] = {}
        for claim in self.open:
            found = claimed(claim.footprint) if claim.effect is Effect.SECRETS else None
            if found is not None and self.use(claim.effect, *claim.footprint):
                passing.setdefault(found[0], set()).add(found[1])
        if not passing:
            return self.ignored_secrets()
        if passing.keys() != {p for p, t in after.files.items() if before.files.get(p) != t}:
            return "files are written of which nothing is claimed"
        found_ = (difference(self.around, path, frozenset(passing[path])) for path in passing)
        return next(filter(None, found_), None)

    def ignored_secrets(self) -> str | None:
        """Compare the rules of the build context, which leave out what is now a secret."""
        from refactor.effects.file_secrets import difference, left_out

        before, after = self.around
        claims = [c for c in self.open if c.effect is Effect.SECRETS and left_out(c.footprint)]
        if not claims:
            return self.read_from_environment()
        for claim in claims:
            self.use(claim.effect, *claim.footprint)
        written = {p for p, text in after.files.items() if before.files.get(p) != text}
        if len(written) > 1 or not after.sent or not min(written).endswith(after.sent.source):
            return "files are written of which nothing is claimed"
        return difference(self.around, frozenset(left_out(c.footprint) for c in claims))

    def read_from_environment(self) -> str | None:
        """Compare files in which a value that is claimed is taken from the environment."""
        from refactor.effects.declared_values import claimed, difference

        before, after = self.around
        for claim in self.open:
            found = claimed(claim.footprint) if claim.effect is Effect.SECRETS else None
            if found is not None and self.use(claim.effect, *claim.footprint):
                written = {p: t for p, t in after.files.items() if before.files.get(p) != t}
                old = {path: before.read(path) for path in written}
                return difference(old, written, *found)
        return "files are written"

    def base_claim(self, label: str) -> Claim | None:
        """Return the claim that a stage starts from another image."""
        found = (c for c in self.open if c.effect is Effect.BASE and label in c.footprint)
        return next(found, None)

    def based(self, before: Build, after: Build, index: int, claim: Claim) -> str | None:
        """Compare two stages that start from different images."""
        from refactor.effects.bases import based

        self.use(claim.effect, *claim.footprint)
        b, a = before.stages[index], after.stages[index]
        old, new = (dict(stage.config) for stage in (b, a))
        old.pop("from")
        new.pop("from")
        if (b.name, b.platform) != (a.name, a.platform):
            return "name or platform differs"
        image = self.graph.stages[index].image
        return self.config(old, new) or based(
            before, after, index, image, claim.footprint, self.around[0], self.assumes
        )

    def split(self, before: Build, after: Build) -> str | None:
        """Compare two builds one of which has a stage more, that another one starts from."""
        claim = next((c for c in self.open if c.effect is Effect.STAGES), None)
        if claim is None or not self.use(claim.effect, *claim.footprint):
            return "the number of stages differs"
        from refactor.effects.stages import Cut, split

        return split(Cut(before, after, claim.footprint, self.around[0], self.assumes, self.graph))

    def moved(self, before: Stage, after: Stage, label: str) -> bool:
        """Use up the claim that a copy stands behind an install; a RUN may be cut in two for it."""
        if not any(c.effect is Effect.ORDER and len(c.footprint) > 1 for c in self.open):
            return False
        from refactor.effects.order import difference

        found = difference(before.events, after.events)
        cuts = len(after.runs) - len(before.runs)
        if found is None or cuts < 0 or after.layers - before.layers - cuts != len(found.ahead):
            return False
        ahead = (f"+ {copy.text}" for copy in found.ahead)
        behind = f"behind {found.passed[-1].text}"
        return self.use(Effect.ORDER, label, f"- {found.copy.text}", behind, *ahead)
