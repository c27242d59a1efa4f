"""May a witness cosign this checkpoint, after the one it cosigned before? (C2SP tlog-witness v1.0.0)

1. A request is `old <size>`, at most 63 base64 hashes, a line each, a blank line, and the signed checkpoint.
2. What is asked, in this order: is it well formed (400), is the origin known (404), did the log sign it (403), is the
   old size no larger than the new (400), is it the size cosigned last (409 with that size), is a tree of the same size
   the same tree (409), does the consistency proof hold (422).
3. The new checkpoint is kept with its cosignature, forced to disk, before anybody is given that: a witness that was
   killed between the two remembers what it would have promised, and one that lost its memory must be given a new key.
4. One request at a time: nobody else may cosign between the look and the keeping.
5. Whoever asks what was cosigned last gets it under the log's signature that was verified and the witness's own: the
   log's alone would prove nothing of the witness.

Not promised: that the entries are true, nor that a witness whose file was set back remembers. Keep its key apart.
"""

import base64
import os
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tiprouter.audit.checkpoint import Checkpoint, CheckpointError, open_checkpoint, read_unverified
from tiprouter.audit.merkle import EMPTY_ROOT, HASH_BYTES, ProofError, verify_consistency
from tiprouter.audit.note import Algorithm, NoteError, Signer, Verifier, append, decode_base64, split_note

REQUEST_BYTES_MAX = 64 * 1024
PROOF_LINES_MAX = 63
SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)


class RequestError(CheckpointError):
    """This is no request to add a checkpoint."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What is asked of a witness: the size it should know, the proof from there, and the signed checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    def encode(self) -> bytes:
        """The body of the request."""
        lines = [f"old {self.old}", *(base64.b64encode(node).decode() for node in self.proof)]
        return "".join(f"{line}\n" for line in lines).encode() + b"\n" + self.note

    @classmethod
    def parse(cls, data: bytes) -> "Submission":
        """Read a request strictly (rule 1); raises `RequestError`."""
        head, divider, note = data.partition(b"\n\n")
        try:
            lines = head.decode("ascii").split("\n")
            old = _OLD.fullmatch(lines[0])
            proof = tuple(decode_base64(line) for line in lines[1:])
        except (UnicodeDecodeError, NoteError) as error:
            raise RequestError from error
        wrong = any(len(node) != HASH_BYTES for node in proof) or len(proof) > PROOF_LINES_MAX
        if not divider or old is None or wrong or len(data) > REQUEST_BYTES_MAX:
            raise RequestError
        return cls(int(old[1]), proof, note)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the witness says: an HTTP status, its body, and the body's type."""

    status: int
    body: bytes
    media_type: str = TEXT_TYPE


class Witness:
    """A witness of one log, by any of its keys; `state` is the file that remembers the checkpoint cosigned last."""

    def __init__(self, origin: str, keys: Sequence[Verifier], signer: Signer, state: Path) -> None:
        if not keys or signer.algorithm is not Algorithm.COSIGNATURE or any(key.name != origin for key in keys):
            raise NoteError("a witness has a cosigning key, and keys of the log under its origin")
        self._origin, self._keys, self._signer, self._state = origin, tuple(keys), signer, state
        self._turn = threading.Lock()

    def latest(self) -> bytes | None:
        """The checkpoint cosigned last, as it was kept, or None; raises `CheckpointError` for a damaged file."""
        try:
            note = self._state.read_bytes()
        except FileNotFoundError:
            return None
        self._signed(note)
        return note

    def add_checkpoint(self, data: bytes, seconds: int) -> Answer:
        """Answer a request at the POSIX time `seconds` (rules 2-4); raises `OSError` as the disk does."""
        try:
            asked = Submission.parse(data)
            text, _signatures = split_note(asked.note)
            new = Checkpoint.parse(text)
        except (NoteError, CheckpointError):
            return _refusal(400, "this is no add-checkpoint request")
        if new.origin != self._origin:
            return _refusal(404, "the log is not known here")
        try:
            signed = self._signed(asked.note)
        except (NoteError, CheckpointError):
            return _refusal(403, "the log did not sign this checkpoint")
        if asked.old > new.size:
            return _refusal(400, "the old size is larger than the new one")
        with self._turn:
            return self._judge(asked, new, signed, seconds)

    def _judge(self, asked: Submission, new: Checkpoint, signed: bytes, seconds: int) -> Answer:
        note = self.latest()
        known = Checkpoint(self._origin, 0, EMPTY_ROOT) if note is None else read_unverified(note)
        if asked.old != known.size:
            return Answer(409, b"%d\n" % known.size, SIZE_TYPE)
        if new.size == known.size and new.root != known.root:
            return _refusal(409, "another tree of this size was cosigned before")
        try:
            verify_consistency(known.size, known.root, new.size, new.root, asked.proof)
        except ProofError as error:
            return _refusal(422, str(error))
        line = self._signer.line(new.text, seconds)
        self._keep(append(signed, line))
        # If we were to crash here, the checkpoint would be remembered and nobody would have been given the cosignature:
        # asked again, with the size now known, it is.
        return Answer(200, line)

    def _signed(self, note: bytes) -> bytes:
        """The note with the signature of one of the log's keys alone; raises `NoteError` or `CheckpointError`.

        What else a sender put under it was not verified, and is neither kept nor shown.
        """
        for key in self._keys[:-1]:
            try:
                return _under(note, key)
            except (NoteError, CheckpointError):
                continue
        return _under(note, self._keys[-1])

    def _keep(self, note: bytes) -> None:
        """Rule 3."""
        temporary = self._state.with_name(f".{self._state.name}.new")
        with temporary.open("wb") as file:
            file.write(note)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._state)
        folder = os.open(self._state.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _under(note: bytes, key: Verifier) -> bytes:
    """The note under this key's signature alone; raises `NoteError` or `CheckpointError`."""
    open_checkpoint(note, key)
    text, signatures = split_note(note)
    place = [(name, key_id) for name, key_id, _ in signatures].index((key.name, key.key_id))
    return text + b"\n" + note[len(text) + 1 :].split(b"\n")[place] + b"\n"


def _refusal(status: int, why: str) -> Answer:
    return Answer(status, f"{why}\n".encode())
