"""Run a Ruby application without what its gems were built with.

Compilers and headers stay in a builder. The image that runs starts from the same image, installs
the libraries that belong to the headers, and takes over the gems and the application's folder.
"""

from collections.abc import Iterator

from refactor import Change, Example, Phase, Refusal, Safety, Snapshot, transform
from refactor.structure import stage_edits

_FROM = "FROM ruby:3.3-slim-bookworm\n"
_TOOLS = "RUN apt-get update && apt-get install -y build-essential libpq-dev\n"
_APP = "WORKDIR /app\nCOPY . .\nRUN bundle install\n"
_CMD = 'CMD ["bundle", "exec", "puma"]\n'
_FILES = ("Gemfile=gem 'pg'\n", "config.ru=\n")


@transform(
    phase=Phase.STAGES,
    triggers=("ruby",),
    highest=Safety.SUGGESTED,
    examples=[
        Example(f"{_FROM}{_APP}{_CMD}", files=_FILES, note="there is nothing to leave out"),
        Example(f"{_FROM}{_TOOLS}{_APP}{_CMD}", refuses="S516"),
        Example(f"{_FROM}{_TOOLS}{_APP}CMD make run\n", files=_FILES, refuses="S505"),
        Example(f"{_FROM}{_TOOLS}{_APP}{_CMD}", refuses="S505",
                files=(*_FILES, "lib/a.rb=system('make', 'all')\n")),
        Example(f"{_FROM}{_TOOLS}{_APP}{_CMD}",
                f'FROM ruby:3.3-slim-bookworm AS builder\n{_TOOLS}{_APP}\n'
                'FROM ruby:3.3-slim-bookworm\nRUN apt-get update && apt-get install -y '
                '--no-install-recommends libpq5 && rm -rf /var/lib/apt/lists/*\nWORKDIR /app\n'
                'COPY --from=builder /app /app\n'
                f'COPY --from=builder /usr/local/bundle /usr/local/bundle\n{_CMD}', files=_FILES),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at the final stage, if it starts from a Ruby image."""
    yield from stage_edits.split(snapshot, "ruby", Safety.SUGGESTED)
