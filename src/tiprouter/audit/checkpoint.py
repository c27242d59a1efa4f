"""What does the log commit itself to at a given size? (C2SP tlog-checkpoint v1.0.0)

1. The text is three lines: origin, size in decimal without leading zeros, root in base64. Extension lines are read,
   since other logs may have them, and never written: nobody could audit them.
2. The log signs under its origin as the name of its key, with Ed25519, whatever else signs too.
3. A checkpoint counts only when the log's own signature verifies and its name is the origin; cosignatures of known
   witnesses come on top. How many witnesses are enough is the caller's `quorum`.

It does not promise that the log shows everyone the same checkpoint: that is what witnesses, and a copy remembered
elsewhere, are for.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tiprouter.audit.merkle import HASH_BYTES
from tiprouter.audit.note import (
    Algorithm,
    NoteError,
    Signature,
    Signer,
    Verifier,
    append,
    decode_base64,
    open_note,
    sign,
    split_note,
)
from tiprouter.errors import TiprouterError

SIZE_MAX = 2**63 - 1

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_FIXED_LINES = 3


class CheckpointError(TiprouterError):
    """This is no checkpoint of the log."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log called `origin` has `size` entries, and `root` (32 bytes) is their Merkle root."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> bytes:
        """The bytes that are signed."""
        lines = [self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions]
        return "".join(f"{line}\n" for line in lines).encode()

    @classmethod
    def parse(cls, text: bytes) -> "Checkpoint":
        """Read a checkpoint's text strictly; raises `CheckpointError`."""
        try:
            lines = text.decode().split("\n")
            if lines.pop() or len(lines) < _FIXED_LINES or not all(lines) or not _SIZE.fullmatch(lines[1]):
                raise CheckpointError("a checkpoint is an origin, a size and a root, a line each")
            checkpoint = cls(lines[0], int(lines[1]), decode_base64(lines[2]), tuple(lines[_FIXED_LINES:]))
        except (UnicodeDecodeError, NoteError) as error:
            raise CheckpointError("a checkpoint is UTF-8, its root base64") from error
        if len(checkpoint.root) != HASH_BYTES or checkpoint.size > SIZE_MAX:
            raise CheckpointError("a checkpoint has a root of 32 bytes and a size below 2**63")
        return checkpoint


@dataclass(frozen=True, slots=True)
class Opened:
    """A checkpoint that its log signed, and the witnesses' cosignatures that verified."""

    checkpoint: Checkpoint
    cosignatures: tuple[Signature, ...]


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """Return the signed note; raises `CheckpointError` if the key's name is not the origin (rule 2)."""
    if signer.name != checkpoint.origin or signer.algorithm is not Algorithm.ED25519:
        raise CheckpointError("a log signs its checkpoints under its own origin, with Ed25519")
    if Checkpoint.parse(checkpoint.text) != checkpoint or checkpoint.extensions:
        raise CheckpointError
    return sign(checkpoint.text, signer)


def cosign(note: bytes, witness: Signer, seconds: int) -> bytes:
    """Return the note with the witness's cosignature, made at the POSIX time `seconds`.

    The check that the witness knows an older, consistent checkpoint is the witness's own, before it calls this.
    """
    text, _unverified = split_note(note)
    Checkpoint.parse(text)
    return append(note, witness.line(text, seconds))


def open_checkpoint(note: bytes, log: Verifier, witnesses: Sequence[Verifier] = (), quorum: int = 0) -> Opened:
    """Return the checkpoint, verified by rule 3; raises `NoteError` or `CheckpointError`.

    `quorum` is how many of the `witnesses` must have cosigned; two keys of one name count once.
    """
    text, signatures = open_note(note, [log, *witnesses])
    checkpoint = Checkpoint.parse(text)
    if log.algorithm is not Algorithm.ED25519 or log.name != checkpoint.origin:
        raise CheckpointError("the key is not the one this log signs with")
    own = (log.name, log.key_id)
    if all((signature.name, signature.key_id) != own for signature in signatures):
        raise CheckpointError("the log itself did not sign the checkpoint")
    cosignatures = tuple(signature for signature in signatures if signature.seconds is not None)
    if len({signature.name for signature in cosignatures}) < quorum:
        raise CheckpointError("too few witnesses cosigned the checkpoint")
    return Opened(checkpoint, cosignatures)


def read_unverified(note: bytes) -> Checkpoint:
    """Return what a note says without asking who signed it: only for what this process wrote itself."""
    text, _unverified = split_note(note)
    return Checkpoint.parse(text)
