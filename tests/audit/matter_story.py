"""Two fictional matters side by side in one log, and the audit bundle of the first."""

import hashlib
import json
from typing import Any

from tests.audit.conftest import LOG, ORIGIN, WITNESS, entry
from tiprouter.audit.checkpoint import Checkpoint, cosign, sign_checkpoint
from tiprouter.audit.entry import commit
from tiprouter.audit.growth import LogState, integrate
from tiprouter.audit.kinds import Kind
from tiprouter.audit.matter_bundle import Contents, canonical, compose, pack
from tiprouter.audit.merkle import leaf_hash
from tiprouter.audit.note import Signer
from tiprouter.audit.succession import name_successor

RECORD, OTHER = (f"tip_01KJQH0CC0BX86ENBVMH4TY5P{last}" for last in "AB")
SALT = b"\x05" * 16
FACTS = {"age": "adult", "consent": True, "rows": ["us-tx"]}
NEW = Signer(ORIGIN, b"\x08" * 32)
THIEF = Signer(ORIGIN, b"\x66" * 32)
POLICY = f"log {LOG.vkey}\nwitness w1 {WITNESS.vkey}\nquorum w1\n"

Files = dict[str, bytes]


def history(record: str, number: int, last: str) -> list[bytes]:
    """One matter in eight entries."""
    ids = {name: f"{name[:3]}_01KJQH0CC0BX86ENBVMH4TY5P{last}" for name in ("decision", "disclosure", "attempt")}
    facts = commit(SALT, canonical(FACTS))
    told: list[tuple[Kind, dict[str, Any]]] = [
        (Kind.RECORD_ACCEPTED, {"record": record, "persons": [f"per_{last}"]}),
        (Kind.CONSENT_GRANTED, {"consent": f"cns_{last}", "person": f"per_{last}"}),
        (Kind.DECISION, {"decision": ids["decision"], "record": record, "facts": facts}),
        (
            Kind.DISCLOSURE_MADE,
            {"disclosure": ids["disclosure"], "record": record, "decisions": [ids["decision"]], "digest": "ab" * 32},
        ),
        (Kind.ATTEMPT_STARTED, {"attempt": ids["attempt"], "disclosure": ids["disclosure"], "delivery": f"msg_{last}"}),
        (Kind.ATTEMPT_FINISHED, {"attempt": ids["attempt"], "disclosure": ids["disclosure"], "result": "success"}),
        (Kind.ACKNOWLEDGEMENT, {"acknowledgement": f"ack_{last}", "disclosure": ids["disclosure"]}),
        (Kind.DECISION, {"decision": f"{ids['decision']}2", "record": record, "facts": facts}),
    ]
    return [entry(number + at, kind, **body) for at, (kind, body) in enumerate(told)]


STORY = [
    entry(0, Kind.LOG_OPENED, origin=ORIGIN, key="633de6d5"),
    *(one for pair in zip(history(RECORD, 1, "A"), history(OTHER, 20, "B"), strict=True) for one in pair),
    entry(60, Kind.LOG_KEY, **name_successor(LOG, NEW)),
    *(entry(70 + number, Kind.LOG_ALIVE, size=17) for number in range(300)),
]
MINE = tuple(range(1, 17, 2))
KEY = 17


def bundle(mine: tuple[int, ...] = (*MINE, KEY), matter: dict[str, Any] | None = None, story: Any = None) -> Files:  # noqa: ANN401
    """The files of the bundle of the first record, signed as the log is."""
    story = STORY if story is None else story
    state = integrate(LogState(), story)
    note = cosign(sign_checkpoint(Checkpoint(ORIGIN, len(story), state.root), NEW), WITNESS, 1_772_366_400)
    leaves = [leaf_hash(one) for one in story]
    paths = {index: merkle_path(leaves, index) for index in mine}
    told = told_of(story) if matter is None else matter
    return compose(Contents(RECORD, LOG.vkey, note, {index: story[index] for index in mine}, paths, told), NEW)


def merkle_path(leaves: list[bytes], index: int) -> tuple[bytes, ...]:
    """An inclusion path straight from the leaves (RFC 6962 section 2.1.1)."""
    if len(leaves) == 1:
        return ()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return (*merkle_path(leaves[:split], index), root_of(leaves[split:]))
    return (*merkle_path(leaves[split:], index - split), root_of(leaves[:split]))


def root_of(leaves: list[bytes]) -> bytes:
    """A Merkle root straight from the leaves (RFC 6962 section 2.1)."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + root_of(leaves[:split]) + root_of(leaves[split:])).digest()


def told_of(story: list[bytes]) -> dict[str, Any]:
    """What `matter.json` says of it."""
    bodies = {index: json.loads(story[index])["body"] for index in MINE}
    decided = [
        {"decision": bodies[index]["decision"], "index": index, "salt": SALT.hex(), "facts": FACTS}
        for index in (MINE[2], MINE[7])
    ]
    made = bodies[MINE[3]]
    fields = ["persons[].identity.first_name", "statements[].text"]
    disclosed = [{"disclosure": made["disclosure"], "index": MINE[3], "commitment": made["digest"], "fields": fields}]
    return {"record": RECORD, "decisions": decided, "disclosures": disclosed}


WHOLE = bundle()
DATA = pack(WHOLE)
