"""`dfr server`: the language server for editors."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from refactor.commands.options import fail

HELP = """Serve editors over standard input and output: the language server protocol.

It shows what `dfr fix` would do while a Dockerfile is typed: a diagnostic for each change, with a
quick fix where it can be made by itself; "Fix all" for each level; what a change is about where one
points at it. Build context and configuration are read from the disk. An editor may set `level`,
`select`, `ignore` and `refusals` (true: also show what was left alone, and why).

Needs: pip install 'dockerfile-refactor[lsp]'

\b
VS Code, by an extension that takes any server (here "Generic LSP Client (v2)"), settings.json:
  "glspc.server.command": "dfr",
  "glspc.server.commandArguments": ["server"],
  "glspc.server.languageId": ["dockerfile"],
  "glspc.server.initializationOptions": {"level": "suggested"}

\b
Neovim 0.11, init.lua:
  vim.lsp.config("dfr", {
    cmd = { "dfr", "server" }, filetypes = { "dockerfile" }, root_markers = { ".git" },
    init_options = { level = "suggested" },
  })
  vim.lsp.enable("dfr")

\b
Helix, languages.toml:
  [language-server.dfr]
  command = "dfr"
  args = ["server"]
  config = { level = "suggested" }
  [[language]]
  name = "dockerfile"
  language-servers = ["docker-langserver", "dfr"]

\b
Emacs 29 (eglot):
  (with-eval-after-load 'eglot
    (add-to-list 'eglot-server-programs
      '((dockerfile-mode dockerfile-ts-mode) . ("dfr" "server"
        :initializationOptions (:level "suggested")))))

Example: dfr server
"""

app = typer.Typer(rich_markup_mode=None)


@app.callback()
def _group() -> None: ...


@app.command(help=HELP)
def server(
    stdio: Annotated[bool, typer.Option("--stdio", help="As ever: clients like to say it.")] = True,
) -> None:
    """Serve an editor."""
    try:
        from refactor.server.service import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        fail("the language server needs pygls: pip install 'dockerfile-refactor[lsp]'")
    if sys.stdin.isatty():
        fail("an editor starts the server, and talks to it: `dfr server --help` says how")
    code = serve()
    sys.stderr.flush()
    os._exit(code)  # a run that nobody waits for any more would hold it up
