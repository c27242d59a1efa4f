"""What is a reviewer shown of a hold?

1. The queue: imminent danger first, then the earliest deadline. Every look at it leaves an `access` entry.
2. Beside one review: why it is held, in the determining policies' words; its facts; for every unknown fact that can be
   established, what the policy would decide on each answer, with facts derived anew for it (a child's consent is not an
   adult's); what a release would disclose, and the very payload that would leave.
3. What cannot be shown, because what is held for an error fails here again, is left out.

Nothing is decided here, and nothing is sent: a preview has an address that nobody has.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import structlog

from tiprouter.domain import redaction
from tiprouter.domain.established import UNKNOWN, VALUES, Established
from tiprouter.domain.facts import findings_for
from tiprouter.domain.outcome import Verdict, narrowed, outcome_of, reviewed, verdict_of
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.redaction import Address
from tiprouter.domain.review import Review, releasable, twice
from tiprouter.domain.vocabulary import Category, Establishable, Outcome, ReviewAnswer
from tiprouter.errors import NotFoundError
from tiprouter.policy.annotations import PolicyNote
from tiprouter.storage import decisions, records, registry, reviews
from tiprouter.storage.database import DatabaseError, Transaction
from tiprouter.storage.decisions import Decision
from tiprouter.storage.records import Stored
from tiprouter.storage.reviews import Filter, Held
from tiprouter.storage.vault import SealError
from tiprouter.workflow.accessing import seen
from tiprouter.workflow.assess import verdicts_toward
from tiprouter.workflow.happening import Actor, Desk, Happening, engine_of, happening
from tiprouter.workflow.inquiry import Page
from tiprouter.workflow.situation import Seen, situation_of

log = structlog.get_logger()

PREVIEW: Final = "preview"


@dataclass(frozen=True, slots=True)
class Supposed:
    """What would be decided about this person and recipient were a fact established as this value."""

    fact: Establishable
    value: str
    outcome: Outcome
    categories: frozenset[Category]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What could be answered: what each established fact would do, and what a release could disclose at most.

    `twice` of `releasable` need a second reviewer; `preview` is the payload (JSON) that would leave if all of it were
    released.
    """

    supposed: tuple[Supposed, ...] = ()
    releasable: frozenset[Category] = frozenset()
    twice: frozenset[Category] = frozenset()
    preview: bytes | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A review, the decision it is about with its policies in words, what could be answered, and what was."""

    held: Held
    decision: Decision
    notes: tuple[PolicyNote, ...]
    outlook: Outlook
    rationale: str | None


def list_reviews(
    tx: Transaction, desk: Desk, actor: Actor, wanted: Filter, after: str | None, limit: int
) -> Page[tuple[Held, Decision]]:
    """The queue (rule 1)."""
    with happening(tx, desk, actor) as it:
        found = reviews.page(tx, wanted, after, limit + 1)
        items = tuple((held, decision_of(tx, held)) for held in found[:limit])
        seen(it, "reviews", len(items), asked=wanted)
        return Page(items, items[-1][0].id if len(found) > limit else None)


def review(tx: Transaction, desk: Desk, actor: Actor, review_id: str) -> Item:
    """One review (rules 2, 3). Raises `NotFoundError`."""
    with happening(tx, desk, actor) as it:
        held = reviews.load(tx, review_id)
        seen(it, "review", 0 if held is None else 1, None if held is None else held.id)
        if held is None:
            raise NotFoundError
        decision = decision_of(tx, held)
        bundle = engine_of(tx, desk, decision.bundle).bundle
        notes = (bundle.note(name) for name in decision.policies)
        return Item(
            held=held,
            decision=decision,
            notes=tuple(note for note in notes if note is not None),
            outlook=_outlook(it, decision),
            rationale=_rationale(it, held),
        )


def decision_of(tx: Transaction, held: Held) -> Decision:
    """The decision that a review is about. Raises `NotFoundError`."""
    decision = decisions.load(tx, held.decision_id)
    if decision is None:
        raise NotFoundError
    return decision


def _rationale(it: Happening, held: Held) -> str | None:
    """Why it was answered so; nothing once the record was erased, and its words with it."""
    try:
        found = reviews.rationale(it.tx, it.vault, held)
    except SealError:
        return None
    return None if found is None else found.text


def _outlook(it: Happening, decision: Decision) -> Outlook:
    if not decision.current or decision.facts is None or decision.recipient_id is None:
        return Outlook()
    try:
        return _shown(it, decision, decision.recipient_id)
    except DatabaseError:
        raise
    except Exception as error:  # noqa: BLE001 - rule 3: whatever was held for an error may fail here again
        log.warning("review.outlook", decision=decision.id, error=type(error).__name__)
        return Outlook()


def _shown(it: Happening, decision: Decision, recipient_id: str) -> Outlook:
    stored = records.load(it.tx, it.vault, decision.record_id)
    recipient = registry.load(it.tx, recipient_id)
    if stored is None or recipient is None:
        return Outlook()
    seen = situation_of(it, stored)
    ref = next(ref for ref, person_id in seen.persons.items() if person_id == decision.person_id)
    found = findings_for(seen.situation, recipient)[ref]
    supposed = tuple(
        _supposed(it, seen, recipient, Established(ref, fact, value.value, _whose(fact, recipient)))
        for fact, values in VALUES.items()
        if getattr(found.facts, fact.value) == UNKNOWN
        for value in values
    )
    ruling = narrowed(found.facts, it.engine.suppose(found.facts))
    may = releasable(found.facts, ruling.permitted)
    every = Review(ReviewAnswer.RELEASE, may)
    held = outcome_of(ruling) is Outcome.HOLD_REVIEW
    if not held or reviewed(found.facts, ruling, every)[0] is not Outcome.DISCLOSE:
        return Outlook(supposed)
    verdict = verdict_of(found, ruling, stored.record.received_at, every)
    verdicts = verdicts_toward(it, seen, recipient) | {ref: verdict}
    return Outlook(
        supposed=supposed,
        releasable=may,
        twice=may & twice(recipient.kind, it.engine.bundle.second_person(decision.policies)),
        preview=_preview(it, stored, recipient, verdicts),
    )


def _whose(fact: Establishable, recipient: Recipient) -> str | None:
    return recipient.id if fact is Establishable.DUTY else None


def _supposed(it: Happening, seen: Seen, recipient: Recipient, found: Established) -> Supposed:
    situation = replace(seen.situation, established=(*seen.situation.established, found))
    facts = findings_for(situation, recipient)[found.ref].facts
    ruling = narrowed(facts, it.engine.suppose(facts))
    outcome = outcome_of(ruling)
    leaves = outcome in (Outcome.REPORT, Outcome.DISCLOSE)
    return Supposed(found.fact, found.value, outcome, ruling.permitted if leaves else frozenset())


def _preview(it: Happening, stored: Stored, recipient: Recipient, verdicts: Mapping[str, Verdict]) -> bytes | None:
    address = Address(PREVIEW, PREVIEW, 0, it.now, it.now)
    made = redaction.redact(stored.record, verdicts, recipient, address)
    return None if made is None else made.redacted.body
