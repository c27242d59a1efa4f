"""Who signed this text? (C2SP signed-note v1.0.0, tlog-cosignature v1.0.1)

1. A note is text that ends in a newline, a blank line, and signature lines; the last blank line divides them. UTF-8,
   no control character but the newline.
2. A key is known by its name and its id, the first four bytes of SHA-256(name || newline || type || public key).
3. A signature by an unknown key is ignored. A signature by a known key that does not verify rejects the whole note.
   A note without one verified signature is rejected.
4. Two types are spoken: Ed25519 over the text (0x01), and the timestamped Ed25519 cosignature of a witness (0x04).
5. Base64 is read in its one canonical spelling, and at most 100 signatures are read.

It does not promise what the text means: see `checkpoint`.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tiprouter.errors import TiprouterError

SIGNATURES_MAX = 100
NOTE_BYTES_MAX = 1_000_000
SECONDS_MAX = 2**63 - 1

_DASH = "\N{EM DASH} "
_KEY_ID_BYTES = 4
_TIME_BYTES = 8
_PUBLIC_KEY_BYTES = 32
_SEED_BYTES = 32


class NoteError(TiprouterError):
    """The note is malformed, or nobody who is trusted signed it."""


class Algorithm(IntEnum):
    """The signature types that are spoken (rule 4)."""

    ED25519 = 1
    COSIGNATURE = 4


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under a name; `public` is its 32 bytes."""

    name: str
    algorithm: Algorithm
    public: bytes

    def __post_init__(self) -> None:
        _refuse_name(self.name)
        if len(self.public) != _PUBLIC_KEY_BYTES:
            raise NoteError("an Ed25519 public key has 32 bytes")

    @property
    def key_id(self) -> bytes:
        """The four bytes of rule 2."""
        return hashlib.sha256(self.name.encode() + b"\n" + self._typed_key).digest()[:_KEY_ID_BYTES]

    @property
    def vkey(self) -> str:
        """The key as one line of text: `name+id+key`."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self._typed_key).decode()}"

    @classmethod
    def from_vkey(cls, vkey: str) -> "Verifier":
        """Read a vkey strictly; raises `NoteError`."""
        # Names hold no "+", base64 does.
        name, _, rest = vkey.partition("+")
        key_id, _, encoded = rest.partition("+")
        typed = decode_base64(encoded)
        if not typed or typed[0] not in tuple(Algorithm):
            raise NoteError("the verifier key is of a type that is not spoken here")
        verifier = cls(name, Algorithm(typed[0]), typed[1:])
        if verifier.key_id.hex() != key_id:
            raise NoteError("the verifier key does not have the id it states")
        return verifier

    def check(self, text: bytes, signature: bytes) -> int | None:
        """Raise `NoteError` unless this key signed the text.

        Returns the POSIX seconds that a cosignature states, None for a plain signature.
        """
        seconds: int | None = None
        message = text
        if self.algorithm is Algorithm.COSIGNATURE:
            seconds = int.from_bytes(signature[:_TIME_BYTES], "big")
            message, signature = _cosigned(text, seconds), signature[_TIME_BYTES:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise NoteError(f"the signature of {self.name} does not verify") from error
        return seconds

    @property
    def _typed_key(self) -> bytes:
        return bytes([self.algorithm]) + self.public


@dataclass(frozen=True, slots=True)
class Signer:
    """An Ed25519 key under a name; `seed` is the 32 secret bytes and stays out of every representation."""

    name: str
    seed: bytes = field(repr=False)
    algorithm: Algorithm = Algorithm.ED25519

    def __post_init__(self) -> None:
        _refuse_name(self.name)
        if len(self.seed) != _SEED_BYTES:
            raise NoteError("an Ed25519 seed has 32 bytes")

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        return Verifier(self.name, self.algorithm, self._key().public_key().public_bytes_raw())

    @property
    def vkey(self) -> str:
        """The public half as one line of text."""
        return self.verifier.vkey

    def line(self, text: bytes, seconds: int | None = None) -> bytes:
        """Return this key's signature line over the text; a cosigner states the POSIX `seconds` at which it signs."""
        if (seconds is None) is (self.algorithm is Algorithm.COSIGNATURE):
            raise NoteError("a cosignature, and nothing else, states its time")
        if seconds is None:
            signature = self._key().sign(text)
        else:
            signature = seconds.to_bytes(_TIME_BYTES, "big") + self._key().sign(_cosigned(text, seconds))
        encoded = base64.b64encode(self.verifier.key_id + signature).decode()
        return f"{_DASH}{self.name} {encoded}\n".encode()

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that was verified: by whom, and for a cosignature when (POSIX seconds)."""

    name: str
    key_id: bytes
    seconds: int | None


def sign(text: bytes, *signers: Signer) -> bytes:
    """Return the note: the text, signed by each signer in turn; raises `NoteError` if it can be no note's text."""
    _refuse_text(text)
    if not signers:
        raise NoteError("a note is signed by somebody")
    return text + b"\n" + b"".join(signer.line(text) for signer in signers)


def append(note: bytes, line: bytes) -> bytes:
    """Return the note with one more signature line."""
    split_note(note + line)
    return note + line


def open_note(note: bytes, verifiers: Iterable[Verifier]) -> tuple[bytes, tuple[Signature, ...]]:
    """Return the text and the verified signatures, one per known key; raises `NoteError` (rule 3)."""
    text, lines = split_note(note)
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    verified: dict[tuple[str, bytes], Signature] = {}
    for name, key_id, signature in lines:
        verifier = known.get((name, key_id))
        if verifier is None or (name, key_id) in verified:
            continue
        verified[name, key_id] = Signature(name, key_id, verifier.check(text, signature))
    if not verified:
        raise NoteError("nobody who is trusted signed the note")
    return text, tuple(verified.values())


def split_note(note: bytes) -> tuple[bytes, list[tuple[str, bytes, bytes]]]:
    """Return the text and the (name, key id, signature) of each line, none of them verified; raises `NoteError`."""
    if len(note) > NOTE_BYTES_MAX:
        raise NoteError("the note is too long")
    head, divider, tail = note.rpartition(b"\n\n")
    text = head + b"\n"
    if not divider or not tail.endswith(b"\n"):
        raise NoteError("a note is text, a blank line and signature lines")
    _refuse_text(text)
    lines = _decode(tail).split("\n")[:-1]
    if len(lines) > SIGNATURES_MAX:
        raise NoteError("the note has too many signatures")
    return text, [_split_line(line) for line in lines]


def decode_base64(text: str) -> bytes:
    """Decode standard base64 in its canonical spelling; raises `NoteError` for any other."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("this is not base64") from error
    if base64.b64encode(data).decode() != text:
        raise NoteError("this is not how base64 is spelt")
    return data


def _split_line(line: str) -> tuple[str, bytes, bytes]:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise NoteError("a signature line is a dash, a name and a signature")
    data = decode_base64(encoded)
    _refuse_name(name)
    if len(data) <= _KEY_ID_BYTES:
        raise NoteError("a signature line holds a key id and a signature")
    return name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:]


def _refuse_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() or character < " " for character in name):
        raise NoteError("the name of a key is not empty and holds neither space nor plus")


def _refuse_text(text: bytes) -> None:
    if not text.endswith(b"\n") or any(character < " " and character != "\n" for character in _decode(text)):
        raise NoteError("the text of a note ends in a newline and holds no other control character")


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise NoteError("a note is UTF-8") from error


def _cosigned(text: bytes, seconds: int) -> bytes:
    if not 0 <= seconds <= SECONDS_MAX:
        raise NoteError("a cosignature states a time in seconds since 1970")
    return b"cosignature/v1\ntime %d\n" % seconds + text
