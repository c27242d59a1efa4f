"""A small disk of a test's own, and its being full."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

WHY_NOT = "only root can mount a small disk, where the system mounts one at all"
_FILLER = "filler"
_PIECES = (1 << 20, 1 << 12, 1)


@contextlib.contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path | None]:
    """A disk of so many megabytes at `place`, which is made; None where there can be none."""
    place.mkdir(parents=True, exist_ok=True)
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or mount is None or umount is None:
        yield None
        return
    asked = [mount, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    if subprocess.run(asked, capture_output=True, check=False).returncode:  # noqa: S603 - this machine's own mount
        yield None
        return
    try:
        yield place
    finally:
        # Lazily: a process that was killed a moment ago may still hold a file of it.
        subprocess.run([umount, "-l", str(place)], check=True)  # noqa: S603 - as above


def fill(place: Path) -> int:
    """Leave not a byte free; how many bytes that took."""
    filler = place / _FILLER
    with filler.open("ab", buffering=0) as file:
        for piece in _PIECES:
            with contextlib.suppress(OSError):
                while file.write(b"\0" * piece):
                    pass
    return filler.stat().st_size


def free(place: Path) -> None:
    """Give it all back."""
    (place / _FILLER).unlink(missing_ok=True)
