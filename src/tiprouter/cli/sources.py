"""From where can a log be verified: a folder, a web address, or one file?

1. A folder is read where it lies; a data folder stands for the log in it.
2. A `.tar` file (`audit export LOG.tar`) is read into a temporary folder: only `checkpoint`, `log.vkey` and tiles by
   their one spelling, nothing else of it, and none larger than it may be.
3. A web address is a log's prefix (C2SP tlog-tiles): its checkpoint, then every tile and entry bundle under it, are
   fetched. `https` only, except on loopback; no redirects; entries want an auditor's token.

Nothing fetched is believed: it is verified as any folder is.
"""

import ipaddress
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx2

from tiprouter.audit.checkpoint import read_unverified
from tiprouter.audit.folder import BUNDLE_BYTES_MAX, CHECKPOINT, VKEY
from tiprouter.audit.note import NOTE_BYTES_MAX
from tiprouter.audit.tiles import Tile, TileError, tiles_for
from tiprouter.errors import ConfigurationError, TiprouterError

SIZE_MAX: Final = 100_000_000
SECONDS: Final = 30.0


@contextmanager
def opened(source: str, token: str | None = None) -> Iterator[Path]:
    """The log as a folder; raises `ConfigurationError` when there is none to be had."""
    path = Path(source)
    remote = source.startswith(("http://", "https://"))
    if not remote and not path.exists():
        raise ConfigurationError("There is no such file or folder.")
    if not remote and not path.is_file():
        inner = path / "log"
        yield inner if not (path / CHECKPOINT).exists() and (inner / CHECKPOINT).exists() else path
        return
    with tempfile.TemporaryDirectory(prefix="tiprouter-log-") as folder:
        if path.is_file():
            _unpack(path, Path(folder))
        else:
            _download(source, Path(folder), token)
        yield Path(folder)


def pack(folder: Path, file: Path) -> None:
    """Put an exported folder into one `.tar` file."""
    with tarfile.open(file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                archive.add(path, path.relative_to(folder).as_posix())


def _unpack(file: Path, folder: Path) -> None:
    """Rule 2."""
    try:
        with tarfile.open(file) as archive:
            for member in archive:
                inside = archive.extractfile(member) if member.isfile() and _belongs(member.name) else None
                if inside is not None:
                    _put(folder / member.name, inside.read(BUNDLE_BYTES_MAX + 1))
    except (tarfile.TarError, OSError) as error:
        raise ConfigurationError("The file holds no log that can be read.") from error


def _belongs(name: str) -> bool:
    try:
        return name in {CHECKPOINT, VKEY} or Tile.parse(name).path == name
    except TileError:
        return False


def _download(url: str, folder: Path, token: str | None) -> None:
    """Rule 3."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not _on_loopback(parts.hostname):
        raise ConfigurationError("A log is fetched by https, or by http from this machine.")
    prefix = url.rstrip("/").removesuffix(f"/{CHECKPOINT}")
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with httpx2.Client(timeout=SECONDS, follow_redirects=False, headers=headers) as client:
        note = _get(client, f"{prefix}/{CHECKPOINT}", NOTE_BYTES_MAX)
        try:
            size = read_unverified(note).size
        except TiprouterError as error:
            raise ConfigurationError("There is no checkpoint at that address.") from error
        if size > SIZE_MAX:
            raise ConfigurationError("The log claims to be larger than can be fetched.")
        for tile in tiles_for(size):
            _put(folder / tile.path, _get(client, f"{prefix}/{tile.path}", BUNDLE_BYTES_MAX))
    _put(folder / CHECKPOINT, note)


def _get(client: httpx2.Client, url: str, limit: int) -> bytes:
    data = b""
    try:
        with client.stream("GET", url) as answer:
            if answer.status_code == httpx2.codes.UNAUTHORIZED:
                raise ConfigurationError(f"{url} answered 401: entries take an auditor's token, --token-file FILE.")
            if answer.status_code != httpx2.codes.OK:
                raise ConfigurationError(f"{url} answered {answer.status_code}.")
            for part in answer.iter_bytes():
                data += part
                if len(data) > limit:
                    raise ConfigurationError(f"{url} is larger than a part of a log may be.")
    except httpx2.HTTPError as error:
        raise ConfigurationError(f"{url} cannot be fetched: {type(error).__name__}.") from error
    return data


def _on_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
