"""Does the product run only what it declares, and is what is built always the same?

1. Every module that the source imports is Python's own, the product's, or of a package that pyproject.toml names.
2. What an extra installs is imported only where the product can say clearly that it is missing.
3. The source neither makes code out of data nor unpickles: no `eval`, `exec`, `compile`, `pickle`, `marshal`, `shelve`.
4. The wheel's bytes follow from the commit: not from the clock, the zone, the umask, the place or the file times.
5. The wheel holds the package and its migrations: no tests, no tools, no keys.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "src" / "tiprouter"
BUILT_FROM = ("src", "alembic", "pyproject.toml", "README.md")
CODE_FROM_DATA = {"eval", "exec", "compile", "__import__"}
UNSAFE = {"pickle", "marshal", "shelve", "dill", "imp"}
# What a declared package is built on and hands out -> the declared package.
HANDED_OUT = {"starlette": "fastapi", "pydantic-core": "pydantic", "yarl": "aiohttp"}
# Optional package -> the files that may import it, each of which says clearly when it is missing.
OPTIONAL = {
    "boto3": re.compile(r"storage/"),
    "botocore": re.compile(r"storage/"),
    "pkcs11": re.compile(r"storage/"),
    "numpy": re.compile(r"policy/gate/"),
    "z3": re.compile(r"policy/gate/"),
    "flask": re.compile(r"receiver/examples/"),
}


def declared() -> set[str]:
    """Return the names that pyproject.toml declares to run."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}


def imported(text: str) -> Iterator[str]:
    """Give the top level of every absolute import, those inside functions too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def foreign(root: Path) -> dict[str, set[str]]:
    """Return each imported module that is neither Python's nor ours, with the files that import it."""
    found: dict[str, set[str]] = {}
    for file in sorted(root.rglob("*.py")):
        for name in imported(file.read_text(encoding="utf-8")):
            if name not in sys.stdlib_module_names and name not in {"tiprouter", "__future__"}:
                found.setdefault(name, set()).add(file.relative_to(root).as_posix())
    return found


def undeclared(root: Path) -> list[str]:
    """Return the imports of packages that nobody declared (rule 1)."""
    allowed, providers = declared(), packages_distributions()
    return sorted(name for name in foreign(root) if name not in OPTIONAL and not _names(name, providers) & allowed)


def _names(module: str, providers: Mapping[str, list[str]]) -> set[str]:
    distributions = {canonicalize_name(one) for one in providers.get(module, [module])}
    return {HANDED_OUT.get(one, one) for one in distributions}


def test_every_import_is_declared() -> None:
    """Rule 1, over the whole source."""
    assert undeclared(SOURCE) == []


@pytest.mark.parametrize("line", ["import requests", "from yaml import load", "def late():\n    import six.moves"])
def test_an_undeclared_import_is_found(tmp_path: Path, line: str) -> None:
    """Rule 1: also within a function."""
    (tmp_path / "planted.py").write_text(line)
    assert len(undeclared(tmp_path)) == 1


def test_what_is_optional_stays_where_it_can_be_missing() -> None:
    """Rule 2."""
    stray = {
        f"{name} in {file}"
        for name, files in foreign(SOURCE).items()
        for file in files
        if name in OPTIONAL and not OPTIONAL[name].match(file)
    }
    assert stray == set()


def unsafe(text: str) -> list[str]:
    """Return what makes code out of data in a source text (rule 3)."""
    calls = (node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    named = [func.id for func in calls if isinstance(func, ast.Name) and func.id in CODE_FROM_DATA]
    return named + [name for name in imported(text) if name in UNSAFE]


def test_no_code_is_made_out_of_data() -> None:
    """Rule 3, over the whole source."""
    found = {file.as_posix(): said for file in SOURCE.rglob("*.py") if (said := unsafe(file.read_text()))}
    assert found == {}


@pytest.mark.parametrize("text", ["eval('1')", "exec(x)", "import pickle", "from marshal import loads"])
def test_code_out_of_data_is_found(text: str) -> None:
    """Rule 3."""
    assert unsafe(text)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Give a copy of everything that the wheel is built from."""
    for name in BUILT_FROM:
        place, copy = REPOSITORY / name, tmp_path / "source" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            shutil.copytree(place, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(place, copy)
    return tmp_path / "source"


def build(source: Path, folder: Path, *, zone: str, umask: int, clock: int) -> Path:
    """Build the wheel in `folder`, from a copy of the source whose file times are all `clock`."""
    out = folder / "dist"
    shutil.copytree(source, folder)
    for path in folder.rglob("*"):
        os.utime(path, (clock, clock))
    environment = os.environ | {"TZ": zone, "SOURCE_DATE_EPOCH": "1772366400"}
    subprocess.run(  # noqa: S603 - our own interpreter and the declared build tool
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)],
        cwd=folder,
        env=environment,
        umask=umask,
        capture_output=True,
        timeout=120,
        check=True,
    )
    return next(out.glob("*.whl"))


def test_the_wheel_is_the_same_whoever_builds_it(source: Path, tmp_path: Path) -> None:
    """Rules 4 and 5."""
    one = build(source, tmp_path / "a", zone="UTC", umask=0o022, clock=1_700_000_000)
    two = build(source, tmp_path / "elsewhere" / "b", zone="Asia/Kathmandu", umask=0o077, clock=1_750_000_000)
    assert one.read_bytes() == two.read_bytes()
    names = zipfile.ZipFile(one).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"tiprouter"}
    assert any(name.startswith("tiprouter/alembic/versions/") for name in names)
    assert [name for name in names if "test" in name or "__pycache__" in name or name.endswith((".key", ".db"))] == []
