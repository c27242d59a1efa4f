"""Does software that we did not write accept the log? Go's `golang.org/x/mod/sumdb`, on a log of 70,000 entries.

`go/main.go` finds the bytes; what it decides, `note` and `tlog` of the Go project decide.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.audit.conftest import publish_log, story
from tiprouter.audit.folder import CHECKPOINT, last_checkpoint
from tiprouter.audit.merkle import inclusion_proof
from tiprouter.audit.proof import Proof
from tiprouter.audit.tiles import ENTRIES, Tile, hash_reader

SIZE = 70_000
SOURCE = Path(__file__).parent / "go"
PLACES = (0, 255, 256, 34_999, 65_536, SIZE - 1)

Verifier: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    """Build the Go program, or say why the test is skipped."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed: its verifier was not asked")
    program = tmp_path_factory.mktemp("go") / "verifier"
    environment = os.environ | {"GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local"}
    built = subprocess.run(  # noqa: S603 - the compiler that was found, on our own source
        [go, "build", "-o", str(program), "."],
        cwd=SOURCE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if built.returncode:
        pytest.skip(f"Go's verifier cannot be built here: {built.stderr.strip().splitlines()[-1]}")

    def run(folder: Path, *proofs: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - the program that was just built
            [str(program), str(folder), *proofs], capture_output=True, text=True, timeout=120, check=False
        )

    return run


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish 70,000 entries, with checkpoints on the way."""
    return publish_log(tmp_path_factory.mktemp("log") / "log", story(SIZE), [1, 35_000, SIZE - 1])


@pytest.fixture
def copy(log: Path, tmp_path: Path) -> Path:
    """Give a copy of the log that a test may change."""
    return shutil.copytree(log, tmp_path / "copy")


def proof_of(log: Path, index: int, place: Path) -> str:
    """Write the proof of an entry; the verifier's argument for it."""
    note = last_checkpoint(log)
    assert note is not None
    reader = hash_reader(SIZE, lambda tile: (log / tile.path).read_bytes())
    place.write_bytes(Proof(index, tuple(inclusion_proof(index, SIZE, reader)), note).encode())
    return f"{index}:{place}"


def test_go_accepts_a_log_of_70_000_entries(verifier: Verifier, log: Path, tmp_path: Path) -> None:
    """Checkpoint, every tile, every entry, a consistency proof, and inclusion proofs as files."""
    answer = verifier(log, *(proof_of(log, index, tmp_path / f"{index}.tlog-proof") for index in PLACES))
    assert (answer.returncode, answer.stdout.strip(), answer.stderr) == (0, str(SIZE), "")


def flipped(path: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "name",
    [
        CHECKPOINT,
        Tile(ENTRIES, 100, 256).path,
        Tile(0, 100, 256).path,
        Tile(0, 273, 112).path,
        Tile(1, 0, 256).path,
        Tile(2, 0, 1).path,
    ],
)
def test_go_refuses_what_was_changed(verifier: Verifier, copy: Path, name: str) -> None:
    """That the verifier is ours to feed and not ours to please: one changed bit in any kind of file is found."""
    flipped(copy / name)
    answer = verifier(copy)
    assert answer.returncode == 1
    assert answer.stderr.strip()


def test_go_refuses_the_proof_of_another_entry(verifier: Verifier, log: Path, tmp_path: Path) -> None:
    """A proof shows its own entry and no other."""
    argument = proof_of(log, 34_999, tmp_path / "one.tlog-proof")
    place = Path(argument.partition(":")[2])
    place.write_text(place.read_text().replace("index 34999\n", "index 34998\n"))
    assert verifier(log, f"34998:{place}").returncode == 1
