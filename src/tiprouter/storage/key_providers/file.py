"""How do files hold the key-encryption keys?

1. `kek` is the first key, `kek-2`, `kek-3`, ... are those that took its place: 32 random bytes each, mode 0600. The
   highest number wraps. The first is made on first use, the others by a rotation.
2. A running process sees a new file at its next use (the folder's time of change is looked at each time). Two changes
   within one tick of the clock have one time: for a key that it does not know a process reads the files again.
3. Removing a file is how an old key is destroyed; what it wrapped opens never again.

Not promised: that several machines have the same files. Whoever runs several copies the folder.
"""

import contextlib
import os
import re
import stat
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tiprouter.errors import ConfigurationError, ConflictError
from tiprouter.storage.key_providers import KEY_BYTES, Wrapped
from tiprouter.storage.key_providers.local import id_of, unwrap_locally, wrap_locally

_NUMBERED: Final = re.compile(r"-([1-9][0-9]{0,5})")


class FileKeyProvider:
    """Key-encryption keys in files beside each other (rules 1-3); `path` is the first one's, made only if `make`."""

    remote = False

    def __init__(self, path: Path, entropy: Callable[[int], bytes], *, make: bool = True) -> None:
        self._path, self._entropy = path, entropy
        self._lock = threading.Lock()
        self._seen: int | None = None
        self._keys: dict[str, bytes] = {}
        if make and not _numbered(path):
            with contextlib.suppress(FileExistsError):  # another first start was quicker: its key is ours too
                _make(path, entropy(KEY_BYTES))
        self._look()

    @property
    def kek_id(self) -> str:
        """The id of the key that wraps."""
        return self.ids()[-1]

    def ids(self) -> tuple[str, ...]:
        """See `KeyProvider.ids`."""
        return tuple(self._look())

    def opens(self, kek_id: str) -> bool:
        """See `KeyProvider.opens`."""
        return kek_id in self._look_for(kek_id)

    def wrap(self, key: bytes, owner: str) -> Wrapped:  # noqa: ARG002 - the protocol's; key wrap binds to nothing
        """See `KeyProvider.wrap`."""
        return wrap_locally(list(self._look().values())[-1], key)

    def unwrap(self, wrapped: Wrapped, owner: str) -> bytes:  # noqa: ARG002 - as above
        """See `KeyProvider.unwrap`."""
        return unwrap_locally(self._look_for(wrapped.kek_id), wrapped)

    def rotate(self) -> str:
        """See `KeyProvider.rotate`."""
        following = max(_numbered(self._path)) + 1
        try:
            _make(self._path.with_name(f"{self._path.name}-{following}"), self._entropy(KEY_BYTES))
        except FileExistsError as error:
            raise ConflictError("Another rotation was quicker; its key wraps now.") from error
        self._forget()
        return self.kek_id

    def _look_for(self, kek_id: str) -> dict[str, bytes]:
        """As `_look`, and once more where that key is not among them (rule 2)."""
        known = self._look()
        if kek_id in known:
            return known
        self._forget()
        return self._look()

    def _forget(self) -> None:
        with self._lock:
            self._seen = None

    def _look(self) -> dict[str, bytes]:
        """The keys by their ids, the newest last (rule 2). Raises `ConfigurationError`."""
        with self._lock:
            try:
                changed = self._path.parent.stat().st_mtime_ns
                if changed != self._seen:
                    self._keys = {id_of(key): key for key in map(_read, _in_order(self._path))}
                    self._seen = changed
            except OSError as error:
                raise ConfigurationError("The key files cannot be read; check their owner.") from error
            if not self._keys:
                raise ConfigurationError("There is no key file.")
            return self._keys


def _numbered(path: Path) -> dict[int, Path]:
    """The key files there are, by their numbers."""
    found = {1: path} if path.exists() else {}
    for other in path.parent.glob(f"{path.name}-*"):
        number = _NUMBERED.fullmatch(other.name.removeprefix(path.name))
        if number is not None:
            found[int(number[1])] = other
    return found


def _in_order(path: Path) -> list[Path]:
    return [file for _, file in sorted(_numbered(path).items())]


def _make(path: Path, key: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Beside its place first: a running process must never read half a key.
    handle, new = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        # If we were to crash here, a hidden file would stay behind; nothing was ever wrapped with what it holds.
        os.link(new, path)  # fails where another process made it meanwhile: no key is ever overwritten
    finally:
        Path(new).unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> bytes:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigurationError("The key file can be read by others; set its mode to 0600.")
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise ConfigurationError("The key file does not hold a 32-byte key.")
    return key
