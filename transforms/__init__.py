"""One file a transform: its code, its page, its examples. The id is the file's name."""
