"""Is the source small enough to read, documented where it is public, and named after what it does?

1. A file has at most 400 lines, a function at most 60.
2. Every module, public class and public function says in a docstring what it promises.
3. Nothing is named after having no name: no utils, helpers, manager, common or misc.
4. No work is left lying about as a marker in a comment.
5. Only `cli` prints; every other room returns values or logs.
Not checked here: style, types and import order, which ruff, mypy and import-linter check.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "src" / "tiprouter"
FILE_LINES, FUNCTION_LINES = 400, 60
FORBIDDEN = {"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc"}
MARKERS = re.compile(r"\b(?:TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b")
WITHOUT_DOCSTRING = {"overload", "override", "setter", "deleter"}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Check = Callable[[str, str], list[str]]  # (path below src/tiprouter, source) -> complaints


def modules() -> dict[str, str]:
    """Return every module of the product: its path below src/tiprouter and its source."""
    found = {str(path.relative_to(SOURCE)): path.read_text(encoding="utf-8") for path in sorted(SOURCE.rglob("*.py"))}
    assert found, "no source was found, so nothing would be checked"
    return found


def check_length(path: str, source: str) -> list[str]:
    """Complain of a file or function that is too long (rule 1)."""
    lines = len(source.splitlines())
    complaints = [f"{path}: {lines} lines, at most {FILE_LINES}"] if lines > FILE_LINES else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                complaints.append(f"{path}:{node.lineno}: {node.name} has {length} lines, at most {FUNCTION_LINES}")
    return complaints


def public_definitions(body: list[ast.stmt]) -> Iterator[ast.ClassDef | Function]:
    """Yield the public classes, functions and methods of a module or class body, also behind an `if`."""
    for node in body:
        if isinstance(node, ast.If):
            yield from public_definitions(node.body + node.orelse)
        elif isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body)


def is_documented_elsewhere(node: ast.ClassDef | Function) -> bool:
    """Tell whether a decorator says that the documentation stands on another definition."""
    names = {ast.unparse(decorator).split("(")[0].rpartition(".")[2] for decorator in node.decorator_list}
    return bool(names & WITHOUT_DOCSTRING)


def check_docstrings(path: str, source: str) -> list[str]:
    """Complain of a module, public class or public function without a docstring (rule 2)."""
    tree = ast.parse(source)
    complaints = [] if ast.get_docstring(tree) else [f"{path}: the module has no docstring"]
    complaints += [
        f"{path}:{node.lineno}: {node.name} has no docstring"
        for node in public_definitions(tree.body)
        if not ast.get_docstring(node) and not is_documented_elsewhere(node)
    ]
    return complaints


def words(name: str) -> list[str]:
    """Split a module or class name into its lower-case words."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)]


def check_names(path: str, source: str) -> list[str]:
    """Complain of a module, folder or class that is named after nothing (rule 3).

    In a class only the last word names the thing: `ManagerApproval` is about a manager, `ApprovalManager` is nothing.
    """
    complaints = [
        f"{path}: {part!r} names nothing" for part in Path(path).with_suffix("").parts if FORBIDDEN & set(words(part))
    ]
    complaints += [
        f"{path}:{node.lineno}: {node.name!r} names nothing"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and words(node.name)[-1:] and words(node.name)[-1] in FORBIDDEN
    ]
    return complaints


def check_markers(path: str, source: str) -> list[str]:
    """Complain of work that was put off (rule 4)."""
    return [
        f"{path}:{number}: {found.group()} is left"
        for number, line in enumerate(source.splitlines(), start=1)
        if (found := MARKERS.search(line))
    ]


def check_printing(path: str, source: str) -> list[str]:
    """Complain of a room that prints (rule 5)."""
    if Path(path).parts[0] in {"cli", "cli.py"}:
        return []
    return [
        f"{path}:{node.lineno}: prints"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


CHECKS: list[Check] = [check_length, check_docstrings, check_names, check_markers, check_printing]

LONG_FUNCTION = '"""M."""\n\n\ndef _long() -> None:\n' + "    pass\n" * FUNCTION_LINES
PLANTED: list[tuple[Check, str, str]] = [
    (check_length, "domain/a.py", '"""M."""\n' + "A = 1\n" * FILE_LINES),
    (check_length, "domain/a.py", LONG_FUNCTION),
    (check_length, "domain/a.py", LONG_FUNCTION.replace("def", "async def")),
    (check_docstrings, "domain/a.py", "A = 1\n"),
    (check_docstrings, "domain/a.py", '"""M."""\ndef a(): ...\n'),
    (check_docstrings, "domain/a.py", '"""M."""\nasync def a(): ...\n'),
    (check_docstrings, "domain/a.py", '"""M."""\nif True:\n    class A: ...\n'),
    (check_docstrings, "domain/a.py", '"""M."""\nclass A:\n    """A."""\n    @property\n    def b(self): ...\n'),
    (check_names, "domain/utils.py", '"""M."""\n'),
    (check_names, "common/a.py", '"""M."""\n'),
    (check_names, "api/text_helpers.py", '"""M."""\n'),
    (check_names, "domain/a.py", '"""M."""\nclass ConsentManager: ...\n'),
    (check_markers, "domain/a.py", '"""M."""\n# TO' + "DO: later\n"),
    (check_printing, "domain/a.py", '"""M."""\ndef _a():\n    print(1)\n'),
]


@pytest.mark.parametrize("check", CHECKS)
def test_the_source_keeps_the_rules(check: Check) -> None:
    """Rules 1 to 5, each over every module."""
    complaints = [complaint for path, source in modules().items() for complaint in check(path, source)]
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize(("check", "path", "source"), PLANTED)
def test_a_planted_fault_is_found(check: Check, path: str, source: str) -> None:
    """Rules 1 to 5: a check that cannot complain would keep nothing in order."""
    assert len(check(path, source)) == 1


def test_what_the_rules_allow_is_let_through() -> None:
    """Rules 1 to 5: the longest allowed function, private names, overloads, and printing in `cli`."""
    allowed = (
        '"""M."""\nfrom typing import overload\n@overload\ndef a(): ...\nclass ManagerApproval:\n    """A."""\n'
        "    def _b(self): ...\ndef _c():\n" + "    pass\n" * (FUNCTION_LINES - 1) + "def _d():\n    print(1)\n"
    )
    assert [complaint for check in CHECKS for complaint in check("cli/commonly.py", allowed)] == []
