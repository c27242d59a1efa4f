"""May this text be handed to Cedar's parser at all?

1. The parser is native code that walks what it reads by recursion: brackets nested a thousand deep, or an expression of
   ten thousand terms, end the whole process, and with it every delivery. So both are bounded before it sees them.
2. Brackets nest at most `DEPTH_MAX` deep; between two semicolons there are at most `STATEMENT_MAX` characters, comments
   included. The longest shipped policy is a fifth of that.
3. Strings and comments are told apart as Cedar tells them apart, so that neither hides a bracket or a semicolon.

Not promised: that the text is Cedar. The parser says so.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from tiprouter.policy.refusal import BundleError

DEPTH_MAX: Final = 64
STATEMENT_MAX: Final = 4_096

_SCHEMA: Final = ".cedarschema"
# A string, closed or not, is eaten whole (possessively: no input makes this quadratic), a comment to the line's end.
_STRUCTURE: Final = re.compile(
    r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|//[^\n]*|(?P<open>[\[({<])|(?P<close>[\])}>])|(?P<end>;)', re.DOTALL
)


def refuse_deep(files: Mapping[str, str]) -> None:
    """Let only texts through that Cedar's parser survives (rules 1, 2). Raises `BundleError`."""
    for name, text in _cedar(files):
        _refuse_depth(name, text)
        for first, statement in _statements(text):
            if len(statement) > STATEMENT_MAX:
                raise BundleError(name, _line(text, first), f"a statement is longer than {STATEMENT_MAX} characters")


def longest(files: Mapping[str, str]) -> tuple[str, int]:
    """File and line of the longest statement: the one that nests when any does."""
    found = [
        (len(statement), name, _line(text, first))
        for name, text in _cedar(files)
        for first, statement in _statements(text)
    ]
    _, name, line = max(found)
    return name, line


def _cedar(files: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((name, text) for name, text in files.items() if name.endswith((".cedar", _SCHEMA)))


def _refuse_depth(name: str, text: str) -> None:
    depth = 0
    for token in _STRUCTURE.finditer(text):
        if token[0] in "<>" and not name.endswith(_SCHEMA):
            continue  # a comparison; only a schema's types nest in these
        depth = max(0, depth + bool(token["open"]) - bool(token["close"]))
        if depth > DEPTH_MAX:
            raise BundleError(name, _line(text, token.start()), f"brackets nest deeper than {DEPTH_MAX} levels")


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Where each statement begins, and its text without the white space before it."""
    begin = 0
    for end in (*(token.start() for token in _STRUCTURE.finditer(text) if token["end"]), len(text)):
        statement = text[begin:end]
        bare = statement.lstrip()
        yield begin + len(statement) - len(bare), bare
        begin = end + 1


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
