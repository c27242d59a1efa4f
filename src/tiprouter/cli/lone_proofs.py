"""How is one entry with its `.tlog-proof` verified, from the command line?

1. Of two files and a key alone: no folder of the log, no database, no network.
2. The entry's file holds its bytes as they were hashed, or what `GET /v1/audit/entries/{index}` answered, which has
   them in `bytes`.
3. The key is given, or the policy names it: a proof that brought its own key along would prove nothing.
"""

import base64
import binascii
import json
from pathlib import Path

from rich.console import Console

from tiprouter.audit.lone_proof import verify_lone_proof
from tiprouter.audit.note import NoteError, Verifier
from tiprouter.audit.proof import HEADER
from tiprouter.audit.trust import TrustPolicy
from tiprouter.cli import auditing
from tiprouter.errors import ConfigurationError


def is_proof(source: str) -> bool:
    """Whether this is the file of a proof, by its first line."""
    try:
        with Path(source).open("rb") as file:
            return file.read(len(HEADER)) == HEADER.encode()
    except (OSError, ValueError):
        return False


def verify(source: str, entry: Path | None, key: str | None, policy: TrustPolicy | None) -> int:
    """Verify an entry's proof, and say each step; the exit code. Raises `ConfigurationError`."""
    if entry is None:
        raise ConfigurationError("A proof says something of an entry's bytes alone: give --entry FILE.")
    vkeys = [one.vkey for one in policy.logs] if policy is not None else []
    if key is None and not vkeys:
        raise ConfigurationError("Give the log's key, as got from elsewhere: --key, --key-file or --policy.")
    try:
        log = Verifier.from_vkey(key if key is not None else vkeys[0])
    except NoteError as error:
        raise ConfigurationError("The key is no verifier key.") from error
    report = verify_lone_proof(_read(Path(source)), bytes_of(_read(entry)), log, policy)
    auditing.show(report, Console(), "proof")
    return 0 if report.ok else 1


def bytes_of(data: bytes) -> bytes:
    """The entry's bytes in a file (rule 2)."""
    try:
        told = json.loads(data)
        return base64.b64decode(told["bytes"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        return data


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError("The proof or the entry cannot be read.") from error
