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

    def use(self, effect: Effect, *footprint: str) -> bool:
        """Use up one claim, if there is one."""
        claim = Claim(effect, frozenset(footprint))
        if self.claims[claim] <= 0:
            return False
        self.claims[claim] -= 1
        return True

    def wanted(self, before: Build, after: Build) -> Build | str:
        """Return the build before with what claims of a distroless base and of purges change."""
        if not any(c.effect in (Effect.BASE, Effect.PACKAGES) for c in +self.claims):
            return before
        from refactor.effects.distroless import distroless_based
        from refactor.effects.purges import purged_again

        around = self.around[0], self.assumes, self.graph
        found = distroless_based(before, after, self.claims, *around)
        return found if isinstance(found, str) else purged_again(found, after, self.claims, *around)

    def piped(self, before: Build, after: Build) -> Build | str:
        """Return the build before with the shells that claims of `pipefail` give its stages."""
        if not any(c.effect is Effect.COMMANDS for c in +self.claims):
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
        for claim in [c for c in +self.claims if c.effect is Effect.USER]:
            parts = {text[:7]: text[7:] for text in claim.footprint}
            stages = [s for s in self.graph.stages if s.label == parts.get("stages ")]
            if not stages or parts.keys() != {"stages ", "- USER ", "+ USER "}:
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
        if not any(c.effect is Effect.FILES and len(c.footprint) == 3 for c in +self.claims):
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
                    if self.use(Effect.FILES, *footprint(stages[index], at, found)):
                        stages[index] = folded(stages[index], at, found)
                        again = True
                        break
        return before._replace(stages=tuple(stages))

    def user_claim(self, label: str) -> Claim | None:
        """Return the claim that a stage's containers run as another user."""
        found = (c for c in +self.claims if c.effect is Effect.USER and label in c.footprint)
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
        """Compare what is sent of the build context."""
        before, after = self.around
        if before.files == after.files:
            return None
        from refactor.effects.ignored import left_out

        found = left_out(before.sent, after.sent, build)
        if isinstance(found, str):
            return found
        return None if not found or self.use(Effect.FILES, *found) else "files are left out"

    def base_claim(self, label: str) -> Claim | None:
        """Return the claim that a stage starts from another image."""
        found = (c for c in +self.claims if c.effect is Effect.BASE and label in c.footprint)
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
        claim = next((c for c in +self.claims if c.effect is Effect.STAGES), None)
        if claim is None or not self.use(claim.effect, *claim.footprint):
            return "the number of stages differs"
        from refactor.effects.stages import Cut, split

        return split(Cut(before, after, claim.footprint, self.around[0], self.assumes, self.graph))

    def moved(self, before: Stage, after: Stage, label: str) -> bool:
        """Use up the claim that a copy stands behind an install; a RUN may be cut in two for it."""
        if not any(c.effect is Effect.ORDER and len(c.footprint) > 1 for c in +self.claims):
            return False
        from refactor.effects.order import difference

        found = difference(before.events, after.events)
        cuts = len(after.runs) - len(before.runs)
        if found is None or cuts < 0 or after.layers - before.layers - cuts != len(found.ahead):
            return False
        ahead = (f"+ {copy.text}" for copy in found.ahead)
        behind = f"behind {found.passed[-1].text}"
        return self.use(Effect.ORDER, label, f"- {found.copy.text}", behind, *ahead)
