"""Does one entry stand in the log, by its proof alone? (C2SP tlog-proof)

1. The proof is read strictly (`audit/proof.py`).
2. The checkpoint in it is signed by the log's key, which was got elsewhere: nothing else here could be believed. Who
   else must have cosigned, a trust policy says.
3. The path leads from the entry's bytes to the checkpoint's root.
4. The entry is one that this log could hold: canonical, of a known kind.

Not promised: that the log kept to its history; a lone proof shows one entry under one checkpoint. Nor that a key which
replaced the one given is followed: that takes the log, and a proof under it is verified by it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tiprouter.audit.checkpoint import Opened, open_checkpoint
from tiprouter.audit.entry import Entry, parse
from tiprouter.audit.merkle import leaf_hash, verify_inclusion
from tiprouter.audit.note import Verifier
from tiprouter.audit.proof import Proof
from tiprouter.audit.steps import Report, Where, walk
from tiprouter.audit.trust import TrustPolicy
from tiprouter.errors import TiprouterError

PROOF: Final = "the proof"
ENTRY: Final = "the entry"


class _UnmetError(TiprouterError):
    """The policy's quorum did not cosign the checkpoint."""


@dataclass(slots=True)
class _Case:
    """What is given, and what earlier steps found for later ones."""

    data: bytes
    entry: bytes
    log: Verifier
    policy: TrustPolicy | None
    proof: Proof | None = None
    opened: Opened | None = None


def verify_lone_proof(data: bytes, entry: bytes, log: Verifier, policy: TrustPolicy | None = None) -> Report:
    """Verify a `.tlog-proof` of an entry's bytes (rules 1-4); never raises for what it is given."""
    case = _Case(data, entry, log, policy)

    def place(_error: TiprouterError, number: int) -> Where:
        return Where(_FILES[number - 1], None if case.proof is None else case.proof.index)

    steps, where = walk(case, _TITLES, _STEPS, place)
    signed = None if case.opened is None else case.opened.checkpoint
    return Report(
        ok=where is None,
        size=None if signed is None else signed.size,
        root=None if signed is None else signed.root,
        steps=steps,
        where=where,
        key_given=True,
    )


def _read(case: _Case) -> str:
    case.proof = Proof.parse(case.data)
    return f"of entry {case.proof.index}, by {len(case.proof.path)} hashes"


def _trusted(case: _Case) -> str:
    proof, policy = _proof(case), case.policy
    opened = open_checkpoint(proof.note, case.log, () if policy is None else policy.verifiers)
    if policy is not None and not policy.satisfied(opened.cosignatures):
        raise _UnmetError
    case.opened = opened
    by = f", cosigned by {len(opened.cosignatures)}" if policy is not None else ""
    return f"{opened.checkpoint.size} entries, signed by {case.log.name}{by}"


def _leads(case: _Case) -> str:
    proof, opened = _proof(case), case.opened
    if opened is None:
        raise _UnmetError
    signed = opened.checkpoint
    verify_inclusion(leaf_hash(case.entry), proof.index, signed.size, proof.path, signed.root)
    return f"the entry is number {proof.index} of {signed.size}, counted from 0"


def _known(case: _Case) -> str:
    found: Entry = parse(case.entry)
    return f"{found.kind.value}, {found.at.isoformat(timespec='milliseconds')}"


def _proof(case: _Case) -> Proof:
    if case.proof is None:
        raise _UnmetError
    return case.proof


_TITLES: Final = (
    "The proof can be read",
    "The checkpoint in it is trusted",
    "The entry leads to the checkpoint's root",
    "The entry is canonical and of a known kind",
)
_FILES: Final = (PROOF, PROOF, ENTRY, ENTRY)
_STEPS: Final[tuple[Callable[[_Case], str], ...]] = (_read, _trusted, _leads, _known)
