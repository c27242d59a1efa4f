"""How did one disclosure come about, what was in it, and what became of it?

1. Told from end to end: its decisions with the policies that determined them, the names of the fields that were sent,
   every attempt, what its recipient said and when, its recall, and where the log tells of each.
2. Fields are told by name, never by value: the payload is opened within the transaction, its names are taken, and
   nothing else of it is kept. Once its content was erased, the names went with it.
3. It is logged before it leaves, like every answer.
4. Whoever names a grant of theirs that opens the matter (`opening.py`) is also given what opens the log's commitments
   of it: to the facts of its decisions, to the digest of what was sent, to what its recipient said. What is not there
   any more is None. Such a look is logged under the grant.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tiprouter.audit.kinds import Kind
from tiprouter.errors import NotFoundError
from tiprouter.policy.annotations import PolicyNote
from tiprouter.storage import (
    acknowledgements,
    decisions,
    deliveries,
    disclosures,
    grants,
    log_places,
    registry,
    searches,
)
from tiprouter.storage.database import Transaction
from tiprouter.storage.decisions import Decision
from tiprouter.storage.disclosures import Listed
from tiprouter.storage.grants import Grant
from tiprouter.storage.vault import ErasedError
from tiprouter.workflow import openings
from tiprouter.workflow.accessing import seen
from tiprouter.workflow.granting import about
from tiprouter.workflow.happening import Actor, Desk, engine_of, happening
from tiprouter.workflow.inquiry import Journey
from tiprouter.workflow.opening import open_to, told_of
from tiprouter.workflow.searching import Rows


@dataclass(frozen=True, slots=True)
class Reason:
    """One of a disclosure's decisions, and the policies that determined it, in words."""

    decision: Decision
    notes: Mapping[str, PolicyNote]


@dataclass(frozen=True, slots=True)
class Trace:
    """A disclosure from end to end; `sent` holds names of fields alone, None once erased (rules 1, 2).

    `around` is the disclosure and, after it, the recall of it if there is one, with the log's indexes; `entries` are
    the indexes of its decisions, attempts and acknowledgements; `openings` is by index of an entry, under a grant
    (rule 4), and None without one.
    """

    journey: Journey
    around: Rows[Listed]
    reasons: tuple[Reason, ...]
    entries: Mapping[str, int]
    sent: tuple[str, ...] | None
    openings: Mapping[int, str | None] | None = None


def traced(tx: Transaction, desk: Desk, actor: Actor, disclosure_id: str, grant_id: str | None = None) -> Trace:
    """One disclosure, for the hotline's own. Raises `NotFoundError`, for a grant that does not open it too."""
    with happening(tx, desk, actor) as it:
        listed = disclosures.listed(tx, disclosure_id)
        if listed is None or actor.recipient_id is not None:
            raise NotFoundError
        grant = None
        if grant_id is not None:
            grant = open_to(grants.load(tx, grant_id, lock=True), actor, it.now, listed.disclosure.record_id)
            it.log(Kind.GRANT_READ, about(grant) | {"count": 1})
        seen(it, "disclosure", 1, disclosure_id, under=grant_id)
        said = acknowledgements.of_disclosure(tx, desk.vault, disclosure_id, listed.disclosure.record_id)
        journey = Journey(listed, tuple(deliveries.attempts_of(tx, listed.delivery_id)), tuple(said))
        recalls = disclosures.several(tx, searches.recalls_of(tx, listed.disclosure))
        rows = (listed, *recalls.values())
        made = {row.disclosure.id: row.disclosure.made_at for row in rows}
        kinds = registry.kinds(tx, [listed.disclosure.recipient_id])
        because = decisions.several(tx, listed.disclosure.decisions)
        around = log_places.places(tx, made)
        entries = log_places.places(tx, {one.id: one.decided_at for one in because.values()} | travelled(journey))
        return Trace(
            journey,
            Rows(rows, None, around, kinds, it.now),
            tuple(_reason(tx, desk, because[one]) for one in listed.disclosure.decisions if one in because),
            entries,
            _sent(tx, desk, disclosure_id),
            None if grant is None else _opened(tx, desk, grant, around | entries, because),
        )


def _opened(
    tx: Transaction, desk: Desk, grant: Grant, entries: Mapping[str, int], because: Mapping[str, Decision]
) -> dict[int, str | None]:
    """Rule 4: of the entries that commit to something, in order."""
    mine = frozenset(entries.values())
    told = openings.opened(tx, desk.vault, grant, told_of(tx, grant.record_id))
    found = {index: one for index, one in told.items() if index in mine}
    found |= {entries[one.id]: openings.of_facts(one) for one in because.values() if one.id in entries}
    return dict(sorted(found.items()))


def travelled(journey: Journey) -> dict[str, datetime]:
    """When each attempt and each word of its recipient was."""
    said = {one.id: one.made_at for one in journey.acknowledgements}
    return {one.id: one.started_at for one in journey.attempts} | said


def _reason(tx: Transaction, desk: Desk, decision: Decision) -> Reason:
    bundle = engine_of(tx, desk, decision.bundle).bundle
    notes = {name: bundle.note(name) for name in decision.policies}
    return Reason(decision, {name: note for name, note in notes.items() if note is not None})


def _sent(tx: Transaction, desk: Desk, disclosure_id: str) -> tuple[str, ...] | None:
    """Rule 2."""
    try:
        body, _ = disclosures.payloads(tx, desk.vault, [disclosure_id])[disclosure_id]
    except ErasedError:
        return None
    return names_in(body)


def names_in(payload: bytes) -> tuple[str, ...]:
    """The names of a payload's fields that hold something, none of their values (rule 2)."""
    return tuple(sorted(set(_names(json.loads(payload)["data"], ""))))


def _names(value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - JSON
    """The places of all leaves that hold something: members by name, `[]` for the items of a list."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _names(one, f"{at}.{name}" if at else name)
    elif isinstance(value, list):
        for one in value:
            yield from _names(one, f"{at}[]")
    elif value is not None:
        yield at
