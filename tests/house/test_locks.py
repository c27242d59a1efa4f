"""Do the lock files pin exactly what pyproject.toml asks for, and nothing about where it comes from?

1. Every requirement is one exact version with at least one SHA-256.
2. No lock file names an index, a host or a link: each user's own configuration decides where packages come from.
3. What runs is what was tested: the runtime lock is part of the test lock, hash for hash.
4. Each declared dependency is locked at a version its declaration allows, and nothing is locked for a declaration
   that is gone.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[2]
RUNTIME, TESTING = "requirements.lock", "requirements-dev.lock"
PIN = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?: ; (?P<marker>.+))?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
PLACE = re.compile(r"://|\b[\w-]+\.(?:org|com|net|io|dev|cloud|internal|local)\b|^-", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Locked:
    """One requirement of a lock file; `direct` says that pyproject.toml asks for it."""

    name: str
    version: str
    marker: str
    hashes: frozenset[str]
    direct: bool


def parse(text: str) -> dict[str, Locked]:
    """Return the requirements of a lock file by name; `ValueError` for a line that is none of its known kinds."""
    locked: dict[str, Locked] = {}
    for block in re.split(r"\n(?=[^\s#])", text):
        lines = [line.strip().removesuffix("\\").strip() for line in block.splitlines() if line.strip()]
        statements = [line for line in lines if not line.startswith("#")]
        if not statements:
            continue
        pin, hashes = PIN.fullmatch(statements[0]), statements[1:]
        if pin is None or not hashes or not all(HASH.fullmatch(each) for each in hashes):
            raise ValueError(f"not one exact version with hashes: {statements[0]}")
        name = canonicalize_name(pin["name"])
        if name in locked:
            raise ValueError(f"{name} is locked twice")
        direct = any("tiprouter (pyproject.toml)" in line for line in lines)
        locked[name] = Locked(name, pin["version"], pin["marker"] or "", frozenset(hashes), direct)
    return locked


def read(name: str) -> str:
    """Return the text of a file at the repository's root."""
    return (REPOSITORY / name).read_text(encoding="utf-8")


def declared(*, testing: bool) -> list[Requirement]:
    """Return what pyproject.toml asks for to run, or to run with every extra and test."""
    project = tomllib.loads(read("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    more = [line for extra in ("dev", "gate", "kms", "pkcs11") for line in extras[extra]] if testing else []
    return [Requirement(line) for line in project["dependencies"] + more]


def unmet(requirements: list[Requirement], locked: dict[str, Locked]) -> list[str]:
    """Return the declared requirements that are not locked at a version they allow."""
    return [
        str(requirement)
        for requirement in requirements
        if (found := locked.get(canonicalize_name(requirement.name))) is None
        or not requirement.specifier.contains(found.version)
    ]


@pytest.mark.parametrize("name", [RUNTIME, TESTING])
def test_every_requirement_is_exact_and_hashed(name: str) -> None:
    """Rule 1: `parse` refuses anything else."""
    assert parse(read(name))


@pytest.mark.parametrize(
    "text",
    [
        "example>=1 \\\n    --hash=sha256:" + "0" * 64,
        "example==1\n    # via other",
        "example==1 \\\n    --hash=md5:" + "0" * 32,
        "example @ file:example.whl \\\n    --hash=sha256:" + "0" * 64,
        "-r other.lock",
    ],
)
def test_a_loose_requirement_is_refused(text: str) -> None:
    """Rule 1: a range, no hash, a weak hash, a link and an include."""
    with pytest.raises(ValueError, match="exact"):
        parse(text)


@pytest.mark.parametrize("name", [RUNTIME, TESTING])
def test_no_lock_says_where_packages_come_from(name: str) -> None:
    """Rule 2, over the files as they are."""
    assert PLACE.findall(read(name)) == []


@pytest.mark.parametrize("line", ["--index-url x", "-f wheels", "# from https:/" + "/packages", "# mirror.example.com"])
def test_a_place_in_a_lock_is_found(line: str) -> None:
    """Rule 2: options, links and host names, in comments too."""
    assert PLACE.search(f"example==1\n{line}\n")


def test_what_runs_is_what_was_tested() -> None:
    """Rule 3: the same versions, markers and hashes, whoever else asks for them."""
    runtime, testing = parse(read(RUNTIME)), parse(read(TESTING))
    different = [
        name
        for name, one in runtime.items()
        if (two := testing.get(name)) is None
        or (one.version, one.marker, one.hashes) != (two.version, two.marker, two.hashes)
    ]
    assert different == []
    assert len(testing) > len(runtime)


@pytest.mark.parametrize(("name", "testing"), [(RUNTIME, False), (TESTING, True)])
def test_the_locks_keep_what_is_declared(name: str, *, testing: bool) -> None:
    """Rule 4: present, allowed, and nothing left over from an earlier declaration."""
    locked = parse(read(name))
    requirements = declared(testing=testing)
    assert unmet(requirements, locked) == []
    asked_for = {canonicalize_name(requirement.name) for requirement in requirements}
    assert {one.name for one in locked.values() if one.direct} == asked_for


def test_an_unmet_declaration_is_found() -> None:
    """Rule 4: a version outside the declared range, and a declaration that was never locked."""
    locked = parse(read(RUNTIME))
    assert unmet([Requirement("fastapi<0.1"), Requirement("never-locked")], locked) == ["fastapi<0.1", "never-locked"]
