"""How does what the log says of one matter lie in one file that anybody can verify without us?

1. An audit bundle is files by name: the matter's entries, byte for byte, and a proof of each (C2SP tlog-proof); the
   checkpoint they lead to, with its cosignatures; the log's first key; `matter.json` with the facts that decisions rest
   on and the names of the fields that were disclosed; `VERIFY.md`; the manifest; and, only for whoever holds a grant
   that opens the matter, `openings.json` (`matter_openings.py`).
2. The manifest is canonical JSON: format, record, checkpoint, and path, length and SHA-256 of each other file, by path.
3. `manifest.note` is a signed note (C2SP signed-note) by the log's key over three lines: format, origin, SHA-256 of the
   manifest. It is no checkpoint: its second line is no size and there is no root.
4. As one file it is a ZIP archive without compression, its members by name, every time the same bytes for the same
   files. It is read only as it is written: any other spelling of the same files is refused.
5. But for `openings.json` there are ids, closed vocabulary, counts, times and commitments in it, nobody's words, no
   payload and no digest of one: a bundle outlives an erasure, and a guess must not be testable against it.

Not promised here: that anything in it is true or whole; see `matter_verify`.
"""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tiprouter.audit.checkpoint import read_unverified
from tiprouter.audit.entry import JSON
from tiprouter.audit.folder import CHECKPOINT, VKEY
from tiprouter.audit.note import Signer, sign
from tiprouter.audit.proof import Proof
from tiprouter.errors import TiprouterError

FORMAT: Final = "tiprouter-audit-bundle/v1"
MANIFEST: Final = "manifest.json"
SIGNED: Final = "manifest.note"
MATTER: Final = "matter.json"
OPENINGS: Final = "openings.json"
GUIDE: Final = "VERIFY.md"
MEDIA_TYPE: Final = "application/zip"
ENTRIES_MAX: Final = 30_000
BYTES_MAX: Final = 512 * 1024 * 1024

_FIXED: Final = frozenset({CHECKPOINT, VKEY, MATTER, OPENINGS, GUIDE})
_PART: Final = re.compile(r"(entries|proofs)/([0-9]{15})\.(json|tlog-proof)", re.ASCII)
_SUFFIXES: Final = {"entries": "json", "proofs": "tlog-proof"}
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_FILE_MODE: Final = 0o100644 << 16
_UNIX: Final = 3

_GUIDE: Final = """# An audit bundle of one matter

What the log says of record {record}, for anybody to verify without the service, its database or its secrets:

    tiprouter audit verify THIS-FILE --key "VERIFIER-KEY"
    tiprouter audit verify THIS-FILE --policy POLICY-FILE

Have the verifier key, or a C2SP tlog-policy file with the witnesses you trust, from elsewhere than this bundle. The
same command takes the folder into which it was unpacked.

By hand: `manifest.note` is a C2SP signed note by the log's key; its third line is the SHA-256 of `manifest.json`, which
has the SHA-256 of every other file. `entries/N.json` is entry N of the log; its leaf is SHA-256(0x00 || the bytes).
`proofs/N.tlog-proof` (C2SP tlog-proof) leads from there to the root in `checkpoint` (C2SP tlog-checkpoint).
`matter.json` opens the commitments of decisions: HMAC-SHA-256(salt, facts), the facts as canonical JSON, is what the
entry of the decision says under `facts`. The names of disclosed fields are the service's word.
Without `openings.json` no value is in here. Only a bundle made under a grant has it, and it holds what people wrote:
keep such a bundle from others, and destroy it when the grant ends. An opening is base64url of the JSON array of salt
(base64url), member and value; HMAC-SHA-256(salt, value) is what the entry says under that member. Of a disclosure the
value is the SHA-256 of its payload. Null cannot be opened any more.

A bundle shows that what is in it stands in the log. That nothing is missing, only the whole log shows.
"""


class BundleFileError(TiprouterError):
    """This is no audit bundle."""

    def __init__(self, message: str, file: str = ".") -> None:
        super().__init__(message)
        self.file = file


class EntryFaultError(BundleFileError):
    """What a bundle says of one entry cannot be so."""

    def __init__(self, message: str, index: int, file: str | None = None) -> None:
        super().__init__(message, entry_path(index) if file is None else file)
        self.entry = index


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes into a bundle: the entries by index, the proof path of each, the signed checkpoint `note`.

    `vkey` is the key that the log was opened with; `matter` is what `matter.json` says, `openings` what `openings.json`
    does, if there is one.
    """

    record_id: str
    vkey: str
    note: bytes
    entries: Mapping[int, bytes]
    paths: Mapping[int, Sequence[bytes]]
    matter: Mapping[str, JSON]
    openings: Mapping[str, JSON] | None = None


def canonical(value: object) -> bytes:
    """The one spelling of JSON of ASCII tokens and integers (as RFC 8785)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def entry_path(index: int) -> str:
    """Where the entry at an index of the log lies."""
    return f"entries/{index:015d}.json"


def proof_path(index: int) -> str:
    """Where its proof lies."""
    return f"proofs/{index:015d}.tlog-proof"


def index_in(path: str) -> tuple[str, int] | None:
    """What sort of part a path is of (`entries`, `proofs`), and of which entry; None for every other file."""
    found = _PART.fullmatch(path)
    if found is None or found[3] != _SUFFIXES[found[1]]:
        return None
    return found[1], int(found[2])


def compose(contents: Contents, signer: Signer) -> dict[str, bytes]:
    """Every file of a bundle, its manifest signed (rules 1-3). Raises `BundleFileError` when it would be too large."""
    if len(contents.entries) > ENTRIES_MAX:
        raise BundleFileError(f"an audit bundle holds at most {ENTRIES_MAX} entries")
    files = {
        CHECKPOINT: contents.note,
        VKEY: f"{contents.vkey}\n".encode(),
        MATTER: canonical(contents.matter),
        GUIDE: _GUIDE.format(record=contents.record_id).encode(),
    }
    if contents.openings is not None:
        files[OPENINGS] = canonical(contents.openings)
    for index, entry in contents.entries.items():
        files[entry_path(index)] = entry
        files[proof_path(index)] = Proof(index, tuple(contents.paths[index]), contents.note).encode()
    return bind(files, contents.record_id, signer)


def bind(files: Mapping[str, bytes], record_id: str, signer: Signer) -> dict[str, bytes]:
    """The files with their manifest, and the manifest signed (rules 2, 3)."""
    checkpoint = read_unverified(files[CHECKPOINT])
    manifest = canonical(
        {
            "format": FORMAT,
            "record": record_id,
            "checkpoint": {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()},
            "files": [
                {"path": path, "bytes": len(files[path]), "sha256": hashlib.sha256(files[path]).hexdigest()}
                for path in sorted(files)
            ],
        }
    )
    return dict(files) | {MANIFEST: manifest, SIGNED: sign(statement(checkpoint.origin, manifest), signer)}


def statement(origin: str, manifest: bytes) -> bytes:
    """What the log's key signs of a bundle (rule 3)."""
    return f"{FORMAT}\n{origin}\n{hashlib.sha256(manifest).hexdigest()}\n".encode()


def pack(files: Mapping[str, bytes]) -> bytes:
    """The bundle as one file (rule 4)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            member = zipfile.ZipInfo(path, _EPOCH)
            member.create_system, member.external_attr = _UNIX, _FILE_MODE
            archive.writestr(member, files[path])
    return out.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of a bundle, read strictly (rule 4). Raises `BundleFileError`."""
    if len(data) > BYTES_MAX:
        raise BundleFileError("the archive is larger than a bundle may be")
    files: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                if (
                    member.compress_type != zipfile.ZIP_STORED
                    or member.filename in files
                    or not _known(member.filename)
                ):
                    raise BundleFileError("the archive holds what no bundle has", _shown(member.filename))
                files[member.filename] = _read(archive, member)
    # A damaged archive makes the library raise whatever it stumbles over.
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, EOFError, NotImplementedError) as error:
        raise BundleFileError("the archive is damaged") from error
    if pack(files) != data:
        raise BundleFileError("the archive is not spelt as a bundle is: something was added, moved or changed in it")
    return files


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of a bundle that was unpacked. Raises `BundleFileError`."""
    files: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_dir() or _known(name)):
            raise BundleFileError("the folder holds what no bundle has", _shown(name))
        if path.is_file():
            if path.stat().st_size > BYTES_MAX:
                raise BundleFileError("the file is larger than a bundle may be", name)
            files[name] = path.read_bytes()
    return files


def is_bundle(path: Path) -> bool:
    """Whether this file or folder claims to be an audit bundle, and no log."""
    if path.is_dir():
        return (path / MANIFEST).exists()
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PK\x03\x04" or path.suffix == ".zip"
    except OSError:
        return False


def read_json(files: Mapping[str, bytes], name: str) -> Any:  # noqa: ANN401 - JSON
    """One of the bundle's JSON files, in its one spelling. Raises `BundleFileError`."""
    data = files.get(name)
    if data is None:
        raise BundleFileError("the file is missing", name)
    try:
        value = json.loads(data)
        same = canonical(value) == data
    except (ValueError, RecursionError) as error:
        raise BundleFileError("the file is no canonical JSON", name) from error
    if not same:
        raise BundleFileError("the file is not spelt canonically: something in it was moved or added", name)
    return value


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(member)
    except zipfile.BadZipFile as error:
        raise BundleFileError("the file in the archive is damaged", member.filename) from error


def _known(name: str) -> bool:
    return name in _FIXED or name in (MANIFEST, SIGNED) or index_in(name) is not None


def _shown(name: str) -> str:
    """A foreign name, as far as it can be shown."""
    return re.sub(r"[^A-Za-z0-9_./-]", "?", name)[:80]
