"""Statements, rules 1 to 3: where does each policy of a file begin?"""

import pytest

from tiprouter.policy.statements import statements


def _lines(text: str) -> list[int]:
    return [statement.line for statement in statements("x.cedar", text)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("  \n// only a comment; with a semicolon\n", []),
        ("permit (principal, action, resource);", [1]),
        ("\n\n// why\npermit (a);\n\n  forbid (b);", [4, 6]),
        ('@cite("one; two // three")\npermit (a);\npermit (b);', [1, 3]),
        ('@cite("a \\" ; b")\npermit (a);\npermit (b);', [1, 3]),
        ("permit (a) // not yet;\nwhen { true };\npermit (b);", [1, 3]),
        ("permit (a);;\npermit (b);", [1, 1, 2]),
        ("permit (a);\n\npermit (b)", [1, 3]),
        ('permit (a);\n@cite("never closed;\npermit (b);', [1, 2, 3]),
    ],
)
def test_a_statement_ends_at_a_semicolon_that_is_code(text: str, lines: list[int]) -> None:
    """Semicolons in strings and comments end nothing, and what is left over is a statement too."""
    assert _lines(text) == lines


def test_a_statement_keeps_its_text_and_file() -> None:
    """The text begins at the first character that is code and ends with the semicolon."""
    (statement,) = statements("x.cedar", "// why\n  permit (a)\nwhen { b }; // after\n")
    assert (statement.file, statement.text) == ("x.cedar", "permit (a)\nwhen { b };")
