"""Given what may leave now, what becomes of what was made before?

1. Nothing was made: a disclosure and its delivery are written, in the transaction that decided them.
2. The same was made: it stands; its delivery now rests on today's decision.
3. Something else was made: what still waits of it is cancelled and the new disclosure takes its place.
4. Nothing may leave any more: what still waits is cancelled. Cancelling wins over an attempt in flight: its answer is
   recorded, and it is not tried again.
5. After a withdrawal, a narrowing or a refusal, a recipient that may have received what is no longer permitted gets a
   recall in the same matter, after it in sequence: one for each version it may hold, superseded ones too. A recall
   carries ids only and needs no permission. An attempt that was made may have arrived, whatever its answer was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tiprouter.audit.entry import Kind
from tiprouter.domain import redaction
from tiprouter.domain.outcome import Verdict
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.redaction import Address, Made
from tiprouter.domain.states import INITIAL, TERMINAL, WAITING, DeliveryEvent, DeliveryState, next_state
from tiprouter.domain.vocabulary import Category, ConsentState, Urgency
from tiprouter.errors import NotFoundError
from tiprouter.storage import decisions, deliveries, disclosures, registry
from tiprouter.storage.decisions import Decision
from tiprouter.storage.deliveries import Delivery
from tiprouter.storage.disclosures import Disclosure
from tiprouter.storage.records import Stored
from tiprouter.workflow.happening import Happening, moment

WITHDRAWN: Final = "consent.withdrawn"
TAKEN_BACK: Final = frozenset({WITHDRAWN, "consent.narrowed", "consent.refused"})
"""Why something may leave no longer because the person said so: what was sent is recalled."""

KEEP_TRYING: Final = timedelta(hours=24)
"""A late report is better than none: trying goes on this long, though a human is told before the deadline."""

WARN_BEFORE: Final = 5
"""A human is told when less than one part in this many of the time to the deadline is left."""

RECALL_WITHIN: Final = timedelta(hours=1)
RECALL_BASIS: Final = "recall"

_TAKEN_BACK: Final = (ConsentState.WITHDRAWN.value, ConsentState.REFUSED.value)

_STANDING: Final = WAITING | {DeliveryState.DELIVERED}
"""What may leave from here on, or once more, under the decision it rests on."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A redacted disclosure that may leave now."""

    address: Address
    made: Made
    recipient: Recipient
    verdicts: Mapping[str, Verdict]
    urgency: Urgency
    valid_until: datetime | None


def reconcile(
    it: Happening,
    stored: Stored,
    drafts: Mapping[str, Draft | None],
    kept: Mapping[tuple[str, str | None], Decision],
    cause: str,
) -> None:
    """Bring disclosures and deliveries in line with what may leave now (rules 1-5)."""
    live = disclosures.live(it.tx, stored.id)
    under_way = deliveries.of_disclosures(it.tx, [old.id for old in live.values()])
    for recipient_id in {**drafts, **live}:
        draft, old = drafts.get(recipient_id), live.get(recipient_id)
        if old is not None and draft is not None and old.content_digest == draft.made.content_digest:
            _rest_on_today(it, stored, draft, under_way[old.id])
            continue
        if old is not None:
            disclosures.end(it.tx, old.id)
            cancel(it, under_way[old.id], cause)
        if old is not None and cause in TAKEN_BACK:
            for held in disclosures.told(it.tx, old.matter_id):
                sequence = _recall(it, stored, held)
                draft = None if draft is None else _after(stored, draft, sequence)
        if draft is not None:
            because = tuple(one.id for (_, to), one in kept.items() if to == recipient_id and one.categories)
            _make(it, stored, draft, because)
    if cause in TAKEN_BACK:
        _recall_what_ended_before(it, stored, set(live), kept)


def basis(epoch: int, recipient_revision: int, bundle: str) -> str:
    """What a delivery was decided under, in a form that any relevant change makes unequal."""
    return f"{epoch}.{recipient_revision}.{bundle[:32]}"


def cancel(it: Happening, delivery: Delivery, cause: str) -> None:
    """Stop a delivery wherever it is, unless it has ended already (rule 4)."""
    if delivery.state in TERMINAL:
        return
    deliveries.change(
        it.tx,
        delivery.id,
        state=next_state(delivery.state, DeliveryEvent.CANCEL),
        finished_at=it.now,
        warn_at=None,
    )
    it.log(
        Kind.DISCLOSURE_CANCELLED,
        {
            "disclosure": delivery.disclosure_id,
            "delivery": delivery.id,
            "record": delivery.record_id,
            "recipient": delivery.recipient_id,
            "cause": cause,
        },
    )


def _rest_on_today(it: Happening, stored: Stored, draft: Draft, delivery: Delivery) -> None:
    if delivery.state in _STANDING:
        today = basis(stored.epoch, draft.recipient.revision, it.engine.bundle.digest)
        deliveries.change(it.tx, delivery.id, basis=today, valid_until=draft.valid_until)


def _after(stored: Stored, draft: Draft, sequence: int) -> Draft | None:
    """The same draft behind a recall: its place in the sequence is part of its bytes."""
    address = replace(draft.address, sequence=sequence + 1)
    made = redaction.redact(stored.record, draft.verdicts, draft.recipient, address)
    return None if made is None else replace(draft, address=address, made=made)


def _make(it: Happening, stored: Stored, draft: Draft, because: tuple[str, ...]) -> None:
    """Rule 1."""
    made, address = draft.made, draft.address
    disclosure = Disclosure(
        id=address.disclosure_id,
        matter_id=address.matter_id,
        sequence=address.sequence,
        record_id=stored.id,
        revision=stored.revision,
        recipient_id=draft.recipient.id,
        recalls=None,
        live=True,
        categories=tuple(category.value for category in Category if category in made.categories),
        decisions=because,
        digest=made.redacted.digest,
        content_digest=made.content_digest,
        made_at=it.now,
    )
    disclosures.add(it.tx, it.vault, disclosure, made.redacted.body)
    today = basis(stored.epoch, draft.recipient.revision, it.engine.bundle.digest)
    delivery = _delivery(it, disclosure, draft.urgency, address.deadline, today)
    deliveries.add(it.tx, replace(delivery, valid_until=draft.valid_until))
    it.log(
        Kind.DISCLOSURE_MADE,
        {
            "disclosure": disclosure.id,
            "delivery": delivery.id,
            "decisions": list(because),
            "record": stored.id,
            "revision": stored.revision,
            "recipient": disclosure.recipient_id,
            "digest": it.commitment(made.redacted.digest.encode())[1],
            "categories": list(disclosure.categories),
            "persons": [stored.person_id(ref) for ref in made.persons],
            "bundle": it.engine.bundle.digest,
            "deadline": moment(address.deadline),
        },
    )


def _recall(it: Happening, stored: Stored, old: Disclosure) -> int:
    """Rule 5; returns the recall's place in the sequence."""
    recipient = registry.load(it.tx, old.recipient_id)
    if recipient is None:
        raise NotFoundError
    matter = disclosures.matter(it.tx, stored.id, old.recipient_id, old.matter_id)
    address = Address(it.id("dis"), matter.id, matter.sequence + 1, it.now, it.now + RECALL_WITHIN)
    redacted = redaction.recall(recipient, address, old.id)
    recalled = replace(
        old,
        id=address.disclosure_id,
        sequence=address.sequence,
        revision=stored.revision,
        recalls=old.id,
        categories=(),
        decisions=(),
        digest=redacted.digest,
        content_digest=redacted.digest,
        made_at=it.now,
    )
    disclosures.add(it.tx, it.vault, recalled, redacted.body)
    delivery = _delivery(it, recalled, Urgency.IMMINENT, address.deadline, RECALL_BASIS)
    deliveries.add(it.tx, delivery)
    it.log(
        Kind.RECALL_MADE,
        {
            "recall": recalled.id,
            "disclosure": old.id,
            "delivery": delivery.id,
            "record": stored.id,
            "recipient": old.recipient_id,
            "cause": WITHDRAWN,
            "deadline": moment(address.deadline),
        },
    )
    return address.sequence


def _recall_what_ended_before(
    it: Happening, stored: Stored, seen: set[str], kept: Mapping[tuple[str, str | None], Decision]
) -> None:
    """Rule 5 for recipients without a live disclosure: what they hold may have ended by expiry or revision."""
    for matter in disclosures.matters_of(it.tx, stored.id):
        if matter.recipient_id not in seen:
            for held in disclosures.told(it.tx, matter.id):
                if _rested_on_what_is_withdrawn(it, held, kept):
                    _recall(it, stored, held)


def _rested_on_what_is_withdrawn(
    it: Happening, held: Disclosure, kept: Mapping[tuple[str, str | None], Decision]
) -> bool:
    """Whether a category went out on a consent that was granted then and is withdrawn now."""
    for decision_id in held.decisions:
        then = decisions.load(it.tx, decision_id)
        now = None if then is None else kept.get((then.person_id, then.recipient_id))
        if then is None or now is None or then.facts is None or now.facts is None:
            continue
        before, after = then.facts["consents"], now.facts["consents"]
        if any(
            before[category] == ConsentState.GRANTED.value and after[category] in _TAKEN_BACK
            for category in then.categories
        ):
            return True
    return False


def _delivery(
    it: Happening, disclosure: Disclosure, urgency: Urgency, deadline: datetime, decided_under: str
) -> Delivery:
    return Delivery(
        id=it.id("msg"),
        disclosure_id=disclosure.id,
        matter_id=disclosure.matter_id,
        sequence=disclosure.sequence,
        record_id=disclosure.record_id,
        recipient_id=disclosure.recipient_id,
        urgency=urgency,
        state=INITIAL,
        attempts=0,
        next_at=it.now,
        deadline=deadline,
        warn_at=deadline - max(deadline - it.now, timedelta()) / WARN_BEFORE,
        deliver_by=max(deadline, it.now + KEEP_TRYING),
        basis=decided_under,
        valid_until=None,
        lease=None,
        lease_until=None,
        created_at=it.now,
        finished_at=None,
    )
