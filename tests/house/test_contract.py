"""Does each room import only what its authority allows?

1. The layers of pyproject.toml are kept, and the contract fails when a wall is broken.
2. `domain` imports the standard library, itself, `errors` and `ids`; of the standard library nothing that reads the
   world: no files, sockets, clock, randomness, processes or logging.
3. A third-party library that carries an authority (SQL, outward HTTP, policy, parsing) is imported in its room only.
Imports inside functions count; imports made by name at run time (importlib) are not seen.
"""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGE = Path("src") / "tiprouter"

# Library -> where it may be imported, as paths below the repository; a folder allows all below it.
OWNERS: dict[str, tuple[str, ...]] = {
    # The benchmark's bare client is the limit that the sender is measured against.
    "aiohttp": (
        "src/tiprouter/delivery/sender.py",
        "src/tiprouter/delivery/dialling.py",
        "src/tiprouter/cli/bench_sink.py",
    ),
    "cedarpy": ("src/tiprouter/policy",),
    "sqlalchemy": ("src/tiprouter/storage", "alembic"),
    "asyncpg": ("src/tiprouter/storage",),
    "pydantic": (
        "src/tiprouter/api/schemas",
        "src/tiprouter/api/schemas.py",
        "src/tiprouter/storage/codec.py",
        "src/tiprouter/settings.py",
    ),
    "pydantic_settings": ("src/tiprouter/settings.py",),
}
DOMAIN_ROOMS = ("tiprouter.domain", "tiprouter.errors", "tiprouter.ids")
WORLDLY = {
    *("asyncio", "concurrent", "ctypes", "glob", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random"),
    *(
        "secrets",
        "select",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
    ),
    *("time", "urllib", "warnings"),
}

# File to plant below src/tiprouter, what it imports, and what the linter must name.
BREACHES = [
    ("domain/planted.py", "import tiprouter.audit", "tiprouter.domain is not allowed to import tiprouter.audit"),
    ("policy/planted.py", "import tiprouter.storage", "tiprouter.policy is not allowed to import tiprouter.storage"),
    ("errors_planted.py", "", "errors_planted"),
]


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted name of everything a module imports, relative imports made absolute."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                above = path.parts[path.parts.index("tiprouter") : -node.level]
                start = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{start}.{name.name}" for name in node.names)


def python_files(root: Path) -> list[Path]:
    """Return the product's Python files below a repository root."""
    files = [path for folder in (PACKAGE, Path("alembic")) for path in sorted((root / folder).rglob("*.py"))]
    assert files, "no source was found, so nothing would be checked"
    return files


def is_within(name: str, packages: tuple[str, ...]) -> bool:
    """Tell whether a dotted name is one of the packages or below it."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def foreign_to_domain(root: Path) -> list[str]:
    """Return each import in `domain` that rule 2 does not allow."""
    return [
        f"{path.relative_to(root)} imports {name}"
        for path in python_files(root)
        if path.is_relative_to(root / PACKAGE / "domain")
        for name in imported(path)
        if not is_within(name, DOMAIN_ROOMS)
        and (name.partition(".")[0] not in sys.stdlib_module_names or name.partition(".")[0] in WORLDLY)
    ]


def out_of_room(root: Path, library: str) -> list[str]:
    """Return each import of a library outside the places rule 3 gives it."""
    allowed = [root / place for place in OWNERS[library]]
    return [
        f"{path.relative_to(root)} imports {name}"
        for path in python_files(root)
        for name in imported(path)
        if is_within(name, (library,)) and not any(path.is_relative_to(place) for place in allowed)
    ]


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """Run the import contract over the tree below `root`."""
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(  # noqa: S603 - the linter of this environment
        [command, "--no-cache", "--config", "pyproject.toml"],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root / "src"), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the source tree that a test may break."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "src", tmp_path / "src", ignore=ignored)
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_layers_are_kept() -> None:
    """Rule 1, over the source as it is."""
    done = lint_imports(REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("path", "statement", "named"), BREACHES)
def test_a_broken_wall_is_found(copy: Path, path: str, statement: str, named: str) -> None:
    """Rule 1: an upward import, a sibling's and a room outside the plan each break the contract."""
    (copy / PACKAGE / path).write_text(f'"""Planted."""\n{statement}\n')
    done = lint_imports(copy)
    assert done.returncode != 0
    assert named in done.stdout + done.stderr


def test_the_domain_reads_nothing_but_its_arguments() -> None:
    """Rule 2, over the source as it is."""
    assert (REPOSITORY / PACKAGE / "domain").is_dir()
    assert foreign_to_domain(REPOSITORY) == []


@pytest.mark.parametrize(
    "statement",
    [
        "import pydantic",
        "import time",
        "from os import path",
        "from tiprouter.audit import note",
        "from .. import settings",
    ],
)
def test_a_worldly_domain_is_found(copy: Path, statement: str) -> None:
    """Rule 2: third-party, clock, files and other rooms, however the import is written and wherever it stands."""
    (copy / PACKAGE / "domain" / "planted.py").write_text(f'"""Planted."""\ndef a():\n    {statement}\n')
    assert [line for line in foreign_to_domain(copy) if "planted.py" in line]


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_with_authority_stays_in_its_room(library: str) -> None:
    """Rule 3, over the source as it is."""
    assert out_of_room(REPOSITORY, library) == []


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_out_of_its_room_is_found(copy: Path, library: str) -> None:
    """Rule 3: planted where it may not be it is found, and planted at its owner's it is not."""
    outside, inside = copy / PACKAGE / "domain" / "planted.py", copy / OWNERS[library][0]
    outside.write_text(f"from {library} import something\n")
    owner = inside if inside.suffix else inside / "planted.py"
    owner.parent.mkdir(parents=True, exist_ok=True)
    owner.write_text(f"import {library}.something\n")
    assert [line for line in out_of_room(copy, library) if "planted.py" in line] == [
        f"src/tiprouter/domain/planted.py imports {library}.something"
    ]
