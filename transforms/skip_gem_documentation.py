"""Install gems without their documentation.

`gem install` renders ri and rdoc pages that nobody reads in an image. `--no-document` leaves them
out, and takes the place of `--no-ri` and `--no-rdoc`, which RubyGems 3 no longer knows.
"""

from collections.abc import Iterator

from refactor import Change, Effect, Example, Phase, Safety, Snapshot, apt, edits, transform

_DECIDED = ("--no-document", "--document", "-N", "--ri", "--rdoc", "--no-ri", "--no-rdoc")
_ASSUMES = ("RubyGems is 2.0 or newer",)


@transform(
    phase=Phase.FLAGS,
    triggers=("gem",),
    examples=[
        Example("FROM debian\nRUN gem install --no-document rake\n"),
        Example("FROM debian\nRUN gem install rake -N && gem update\n"),
        Example("FROM debian\nRUN gem install --no-ri --no-rdoc rake\n", note="an old RubyGems, perhaps"),
        Example("FROM ruby:3.3\nRUN gem install rake\n", note="its gemrc says so already"),
        Example("FROM debian\nRUN echo 'gem: --no-document' > /etc/gemrc && gem install rake\n"),
        Example("FROM debian\nRUN gem install rake\n", level=Safety.SAFE),
        Example("FROM debian\nRUN gem install rake\n", "FROM debian\nRUN gem install --no-document rake\n"),
        Example("FROM debian\nONBUILD RUN gem install rake\n",
                "FROM debian\nONBUILD RUN gem install --no-document rake\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change]:
    """Look at each `gem install` that does not say."""
    if "gemrc" in snapshot.text:
        return
    for run in snapshot.runs:
        image = snapshot.graph.stages[run.stage].image
        for command, op in apt.operations(run):
            if (op.manager, op.action) == ("gem", "install") and not op.has(*_DECIDED):
                if image.name == "ruby":
                    continue
                edit, claim = edits.add_word(
                    run, command, op.action_word, "--no-document", Effect.FILES
                )
                yield Change(
                    "gems bring documentation that nobody reads", edit, claim, assumes=_ASSUMES
                )
