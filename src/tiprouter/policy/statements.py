"""Which policies does a Cedar file state, and on which line does each begin?

1. A statement ends at a semicolon outside a string and outside a `//` comment, as in Cedar's own grammar.
2. Its line is that of its first character which is neither space nor comment.
3. What follows the last semicolon is a statement too when there is anything: the parser will say what is missing.

Cedar names neither the file nor the line of an error; this is how `bundle` does.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r'//[^\n]*|"(?:\\.|[^"\\])*"|;|\s+|[^\s;"/]+|["/]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Statement:
    """One policy's text, the file it is in, and its first line (from 1)."""

    file: str
    line: int
    text: str


def statements(file: str, text: str) -> Iterator[Statement]:
    """The statements of one file, in order."""
    begin = None
    for token in _TOKEN.finditer(text):
        word = token.group()
        if begin is None and not word.isspace() and not word.startswith("//"):
            begin = token.start()
        if word == ";" and begin is not None:
            yield _statement(file, text, begin, token.end())
            begin = None
    if begin is not None:
        yield _statement(file, text, begin, len(text))


def _statement(file: str, text: str, begin: int, end: int) -> Statement:
    return Statement(file, text.count("\n", 0, begin) + 1, text[begin:end])
