"""How does one file show, without a network, that an entry stands in the log? (C2SP tlog-proof, version 1)

1. The file is the header line, an optional `extra` line, the `index` line, one base64 hash per line from the leaf's
   sibling upwards, a blank line, and the checkpoint with all its signatures, byte for byte.
2. It is read strictly: one spelling, no line left over, at most 63 hashes.
3. It shows something only together with the entry's bytes and a key that was got elsewhere: `audit/lone_proof.py`.
4. `extra` is not authenticated by anything; nothing here reads it.
"""

import base64
import re
from dataclasses import dataclass

from tiprouter.audit.merkle import HASH_BYTES, ProofError
from tiprouter.audit.note import NoteError, decode_base64, split_note

HEADER = "c2sp.org/tlog-proof@v1"
PATH_MAX = 63
PROOF_BYTES_MAX = 2_000_000

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)
_EXTRA = "extra "


@dataclass(frozen=True, slots=True)
class Proof:
    """The contents of a `.tlog-proof` file: `path` is hashes of 32 bytes, `note` the signed checkpoint."""

    index: int
    path: tuple[bytes, ...]
    note: bytes
    extra: bytes | None = None

    def encode(self) -> bytes:
        """Return the file's bytes; raises `ProofError` if they could not be read back."""
        lines = [HEADER]
        if self.extra is not None:
            lines.append(_EXTRA + base64.b64encode(self.extra).decode())
        lines.append(f"index {self.index}")
        lines += [base64.b64encode(node).decode() for node in self.path]
        data = "".join(f"{line}\n" for line in lines).encode() + b"\n" + self.note
        if Proof.parse(data) != self:
            raise ProofError("this cannot be written as a proof")
        return data

    @classmethod
    def parse(cls, data: bytes) -> "Proof":
        """Read a proof strictly; raises `ProofError`. Nothing in it is verified yet."""
        head, divider, note = data.partition(b"\n\n")
        if not divider or len(data) > PROOF_BYTES_MAX:
            raise ProofError("a proof is lines, a blank line and a checkpoint")
        try:
            lines = head.decode("ascii").split("\n")
            extra = decode_base64(lines.pop(1)[len(_EXTRA) :]) if lines[1:] and lines[1].startswith(_EXTRA) else None
            index = _INDEX.fullmatch(lines[1]) if lines[1:] else None
            if lines[0] != HEADER or index is None:
                raise ProofError("a proof begins with its header and an index")
            path = tuple(decode_base64(line) for line in lines[2:])
            split_note(note)
        except (UnicodeDecodeError, NoteError) as error:
            raise ProofError("a proof is ASCII and base64, then a signed note") from error
        if len(path) > PATH_MAX or any(len(node) != HASH_BYTES for node in path):
            raise ProofError("a proof consists of at most 63 hashes of 32 bytes")
        return cls(int(index[1]), path, note, extra)
