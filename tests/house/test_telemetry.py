"""What may a log line, a span or a label of a metric be told by the code? (telemetry.py, cli/logs.py)"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tiprouter import telemetry
from tiprouter.cli import logs

SOURCE = Path(__file__).parents[2] / "src" / "tiprouter"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
LABELS = {"method", "route", "status", "code", "lane", "kind", "result"}
"""Every label of what a process counts; `tests/api/test_metrics.py` knows what each may hold."""


def calls() -> Iterator[tuple[str, ast.Call, ast.Attribute]]:
    """Every call of something's method in the source, with where it stands."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", node, node.func


def said(call: ast.Call) -> Iterator[str]:
    """The names that a call gives; those of a literal that it unpacks, too."""
    for keyword in call.keywords:
        if keyword.arg is not None:
            yield keyword.arg
            continue
        literals = [one for one in ast.walk(keyword.value) if isinstance(one, ast.Dict)]
        assert literals, f"line {call.lineno} unpacks what cannot be read here"
        for literal in literals:
            for key in literal.keys:
                assert isinstance(key, ast.Constant), f"line {call.lineno} has a name that cannot be read here"
                yield str(key.value)


def test_what_the_code_logs_is_on_the_list() -> None:
    """A field that is not would be dropped, and the line would say that something failed, but not what."""
    lines = [
        (place, call)
        for place, call, method in calls()
        if isinstance(method.value, ast.Name) and method.value.id == "log" and method.attr in LEVELS
    ]
    assert len(lines) > 20, "the log calls are not where they were"
    assert [(place, name) for place, call in lines for name in said(call) if name not in logs.FIELDS] == []


def test_what_the_code_says_of_a_span_is_on_the_list() -> None:
    """A name that is not would be dropped; and no name on the list could hold a person, an id or a path."""
    told = [
        (place, name)
        for place, call, method in calls()
        if method.attr == "says"
        or (method.attr == "span" and isinstance(method.value, ast.Name) and method.value.id == "telemetry")
        for name in said(call)
    ]
    assert len(told) > 10, "the spans are not where they were"
    assert [(place, name) for place, name in told if name not in telemetry.SAID | {"of"}] == []
    assert {name for _, name in told} - {"of"} == telemetry.SAID, "a name that nothing says is not kept open"


def test_the_labels_of_what_is_counted_are_the_known_ones() -> None:
    """A new label is a decision: its values must be a closed set."""
    found = {label for family in telemetry.REGISTRY._names_to_collectors.values() for label in family._labelnames}  # type: ignore[attr-defined]  # noqa: SLF001 - the library tells them nowhere else
    assert found == LABELS
