"""Attack: a supplier, or whoever stands between, hands over another file than the one that was looked at.

What installs is pip itself, with the options that the launcher and the image use, offline, from a folder that holds a
small fictional package. Its lock file names the wheel by its hash.
"""

import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OPTIONS = ("--only-binary", ":all:", "--require-hashes")
NAME, VERSION = "fictional-part", "1.0"
WHEEL = "fictional_part-1.0-py3-none-any.whl"


@dataclass(frozen=True)
class Supply:
    """A folder that packages come from, a lock, and where they are installed."""

    folder: Path
    lock: Path
    target: Path

    def lock_to(self, *digests: str) -> None:
        """Name the package by these hashes; by none of them, only its version."""
        self.lock.write_text(" ".join([f"{NAME}=={VERSION}", *(f"--hash=sha256:{one}" for one in digests)]) + "\n")

    def install(self, *options: str) -> subprocess.CompletedProcess[str]:
        """What pip makes of it, offline and without anybody's configuration."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        return subprocess.run(  # noqa: S603 - our own interpreter and pip
            [
                *(sys.executable, "-I", "-m", "pip", "--isolated", "install", "--no-cache-dir", "--no-index"),
                *("--disable-pip-version-check", "--find-links", str(self.folder), "--target", str(self.target)),
                *(*options, "-r", str(self.lock)),
            ],
            env=kept | {"PIP_CONFIG_FILE": os.devnull},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    @property
    def installed(self) -> list[str]:
        """What stands where packages are put."""
        return sorted(one.name for one in self.target.rglob("*.py")) if self.target.exists() else []


def wheel(folder: Path, says: str = "looked_at = True") -> str:
    """Put the package into a folder; its SHA-256."""
    about = f"fictional_part-{VERSION}.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as made:
        made.writestr("fictional_part.py", says)
        made.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n")
        made.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        made.writestr(f"{about}/RECORD", "")
    return hashlib.sha256((folder / WHEEL).read_bytes()).hexdigest()


def source(folder: Path, ran: Path) -> str:
    """Put a package into a folder that runs code when it is installed; its SHA-256."""
    setup = (
        f"open({str(ran)!r}, 'w').write('ran')\nfrom setuptools import setup\nsetup(name={NAME!r}, version={VERSION!r})"
    )
    place = folder / f"{NAME}-{VERSION}.tar.gz"
    with tarfile.open(place, "w:gz") as made:
        for name, text in (
            ("setup.py", setup),
            ("PKG-INFO", f"Metadata-Version: 1.0\nName: {NAME}\nVersion: {VERSION}\n"),
        ):
            entry = tarfile.TarInfo(f"{NAME}-{VERSION}/{name}")
            entry.size = len(text.encode())
            made.addfile(entry, io.BytesIO(text.encode()))
    return hashlib.sha256(place.read_bytes()).hexdigest()


@pytest.fixture
def supply(tmp_path: Path) -> Supply:
    """An empty folder of packages."""
    (tmp_path / "packages").mkdir()
    return Supply(tmp_path / "packages", tmp_path / "one.lock", tmp_path / "installed")


def test_the_file_that_was_looked_at_is_installed_and_another_is_not(supply: Supply) -> None:
    """The same name and version with other bytes in it is refused, and nothing of it is left behind."""
    supply.lock_to(wheel(supply.folder))
    done = supply.install(*OPTIONS)
    assert (done.returncode, supply.installed) == (0, ["fictional_part.py"]), done.stderr
    other = Supply(supply.folder, supply.lock, supply.target.with_name("elsewhere"))
    wheel(supply.folder, "looked_at = False")
    done = other.install(*OPTIONS)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert other.installed == []
    assert supply.install("--upgrade", "--only-binary", ":all:").returncode != 0  # a lock with hashes needs no option


def test_what_the_lock_has_no_hash_of_is_not_installed(supply: Supply) -> None:
    """A line that somebody added by hand; without the option it would have been."""
    wheel(supply.folder)
    supply.lock_to()
    assert supply.install(*OPTIONS).returncode != 0
    assert supply.installed == []
    assert supply.install("--only-binary", ":all:").returncode == 0


def test_no_package_runs_code_to_install_itself(supply: Supply, tmp_path: Path) -> None:
    """A source package is not even looked at, though its hash is in the lock."""
    ran = tmp_path / "ran"
    supply.lock_to(source(supply.folder, ran))
    assert supply.install(*OPTIONS).returncode != 0
    assert (ran.exists(), supply.installed) == (False, [])
    supply.install("--require-hashes", "--no-build-isolation")
    assert ran.exists()  # so that it is the option that kept it from running


@pytest.mark.parametrize("file", ["tiprouter", "Dockerfile"])
def test_whoever_installs_uses_these_options(file: str) -> None:
    """Every installation of a lock, by pip or uv, by the launcher and in the image."""
    text = (ROOT / file).read_text().replace("\\\n", " ")
    commands = [line for line in text.splitlines() if re.search(r"\binstall\b.* -r ", line)]
    assert commands
    for command in commands:
        assert re.search(r"--only-binary\s+:all:", command)
        assert "--require-hashes" in command
        assert ".lock" in command or "$lockfile" in command or "$root/$1" in command
