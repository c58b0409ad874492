"""The language server: what the engine says of open documents, and edits of them."""
