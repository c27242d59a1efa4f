"""Was everything as promised? The demo's verdict, from the log, the receipts and the scenes.

1. The log verifies offline under the key that the service's own keys gave, not the folder's.
2. Every decision the API answered with is in the log.
3. Every disclosure and recall in the log that was not cancelled was accepted by its agency exactly once under its
   webhook-id; a repetition is the same bytes.
4. Nothing else arrived, and nothing arrived that was not rightly signed.
5. Each agency received, for each scene, exactly the messages promised, in order, holding and lacking what was promised.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tiprouter.audit.checkpoint import read_unverified
from tiprouter.audit.entry import Entry, parse
from tiprouter.audit.folder import CHECKPOINT, read_file, read_tile
from tiprouter.audit.kinds import Kind
from tiprouter.audit.steps import Report
from tiprouter.audit.tiles import ENTRIES, TILE_WIDTH, decode_bundle, tile_at
from tiprouter.audit.verify import verify_folder
from tiprouter.cli.play import Played

_ENDED = ("delivered", "exhausted", "refused")


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the log tells: decisions by id, and webhook-ids made, cancelled, and ended."""

    decisions: frozenset[str]
    made: frozenset[str]
    cancelled: frozenset[str]
    ended: frozenset[str]

    @property
    def under_way(self) -> frozenset[str]:
        """What is neither cancelled nor ended."""
        return self.made - self.cancelled - self.ended


def ledger(entries: Iterable[Entry]) -> Ledger:
    """Read the log."""
    found: dict[str, set[str]] = {"decisions": set(), "made": set(), "cancelled": set(), "ended": set()}
    for entry in entries:
        body: Mapping[str, Any] = entry.body
        match entry.kind:
            case Kind.DECISION:
                found["decisions"].add(body["decision"])
            case Kind.DISCLOSURE_MADE | Kind.RECALL_MADE:
                found["made"].add(body["delivery"])
            case Kind.DISCLOSURE_CANCELLED:
                found["cancelled"].add(body["delivery"])
            case Kind.ATTEMPT_FINISHED if body.get("state") in _ENDED:
                found["ended"].add(body["delivery"])
            case _:
                pass
    return Ledger(**{name: frozenset(ids) for name, ids in found.items()})


def entries_of(folder: Path) -> Iterator[Entry]:
    """The entries under the folder's checkpoint; none when there is none yet."""
    note = read_file(folder, CHECKPOINT)
    size = 0 if note is None else read_unverified(note).size
    for number in range(-(-size // TILE_WIDTH)):
        bundle = tile_at(ENTRIES, number, size)
        for data in decode_bundle(read_tile(folder, bundle) or b"", bundle.width):
            yield parse(data)


def verify(folder: Path, vkey: str) -> tuple[Report, list[str]]:
    """Rule 1."""
    report = verify_folder(folder, vkey, None, datetime.now(UTC))
    failed = [f"the log does not verify: {step.title} ({step.detail})" for step in report.steps if not step.ok]
    return report, failed[:1]


def missing_decisions(played: Iterable[Played], known: Ledger) -> list[str]:
    """Rule 2."""
    answered = {outcome["decision"] for one in played for outcome in one.outcomes}
    return [f"decision {name} is not in the log" for name in sorted(answered - known.decisions)]


def arrivals(receipts: Sequence[Mapping[str, Any]], known: Ledger) -> list[str]:
    """Rules 3 and 4."""
    wrong = [f"{one['agency']} refused a message: {one['reason']}" for one in receipts if one["became"] == "refused"]
    accepted = Counter(one["webhook_id"] for one in receipts if one["became"] == "accepted")
    wrong += [f"{name} was accepted {count} times" for name, count in accepted.items() if count > 1]
    wrong += [f"{name} never arrived" for name in sorted(known.made - known.cancelled - accepted.keys())]
    wrong += [f"{name} arrived and is not in the log" for name in sorted(accepted.keys() - known.made)]
    bodies: dict[str, set[str]] = {}
    for one in receipts:
        if one["became"] != "refused":
            bodies.setdefault(one["webhook_id"], set()).add(json.dumps(one["body"], sort_keys=True))
    return wrong + [f"{name} came with different bytes" for name, seen in bodies.items() if len(seen) > 1]


def messages(played: Played, receipts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rule 5."""
    scene, wrong = played.scene, []
    deliveries = {told.delivery for told in played.told}
    came: dict[str, list[Mapping[str, Any]]] = {}
    for one in receipts:
        if one["became"] == "accepted" and one["webhook_id"] in deliveries:
            came.setdefault(one["agency"], []).append(one["body"])
    got = {agency: [body["type"] for body in bodies] for agency, bodies in came.items()}
    if got != {agency: list(kinds) for agency, kinds in scene.receives.items()}:
        wrong.append(f"received was {got}, promised was {dict(scene.receives)}")
    for agency, words in scene.reads.items():
        text = json.dumps(came.get(agency, []), ensure_ascii=False)
        wrong += [f"{agency} should read {word!r} and does not" for word in words["has"] if word not in text]
        wrong += [f"{agency} reads {word!r} and must not" for word in words["lacks"] if word in text]
    return wrong
