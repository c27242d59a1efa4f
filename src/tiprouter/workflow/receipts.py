"""What does a person get in their hand about a consent of theirs, when they ask?

1. Only on request: a receipt found by the wrong person is a danger, so none is ever made or sent by itself.
2. The person is named by a pseudonym that is made for receipts alone; nobody else is named at all.
3. Its events are the consent's own revisions, and what time alone has ended since.
4. Asking leaves an `access` entry.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

from tiprouter.domain.consent import Choice, Consent
from tiprouter.domain.subject_states import ConsentPhase
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.domain.widening import CONFIRM_WITHIN, phase_at
from tiprouter.errors import NotFoundError
from tiprouter.storage import consents, registry
from tiprouter.storage.consents import Revision
from tiprouter.storage.database import Transaction
from tiprouter.workflow.accessing import seen
from tiprouter.workflow.happening import Actor, Desk, happening

PSEUDONYM_LENGTH = 32


@unique
class Occasion(StrEnum):
    """What happened to a consent."""

    GIVEN = "given"
    REFUSED = "refused"
    CONFIRMED = "confirmed"
    NARROWED = "narrowed"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a consent, when, and where it was in its life afterwards."""

    occasion: Occasion
    at: datetime
    phase: ConsentPhase
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """A consent as it stands, with all that happened to it. `principal` is the person's pseudonym."""

    id: str
    issued_at: datetime
    principal: str
    consent: Consent
    phase: ConsentPhase
    events: tuple[Event, ...]
    kinds: Mapping[str, RecipientKind]


def receipt(tx: Transaction, desk: Desk, actor: Actor, consent_id: str) -> Receipt:
    """A receipt for one consent (rules 1-4). Raises `NotFoundError`, `ErasedError`."""
    with happening(tx, desk, actor) as it:
        revisions = consents.history(tx, desk.vault, consent_id)
        if not revisions:
            raise NotFoundError
        consent = revisions[-1].consent
        seen(it, "receipt", 1, consent_id)
        return Receipt(
            id=it.id("rct"),
            issued_at=it.now,
            principal=desk.blind("receipt", consent.person_id)[:PSEUDONYM_LENGTH],
            consent=consent,
            phase=phase_at(consent, it.now),
            events=(*map(_event, revisions), *_ended(consent, it.now)),
            kinds=registry.kinds(tx, sorted(consent.recipients)),
        )


def _event(revision: Revision) -> Event:
    consent, phase = revision.consent, revision.consent.life
    if revision.number == 1:
        occasion = Occasion.GIVEN if consent.choice is Choice.GRANT else Occasion.REFUSED
    else:
        occasion = {
            ConsentPhase.STANDING: Occasion.CONFIRMED,
            ConsentPhase.WITHDRAWN: Occasion.WITHDRAWN,
            ConsentPhase.LAPSED: Occasion.LAPSED,
        }.get(phase, Occasion.NARROWED)
    return Event(occasion, revision.made_at, phase, consent.expires_at)


def _ended(consent: Consent, now: datetime) -> tuple[Event, ...]:
    """What time alone ended."""
    phase = phase_at(consent, now)
    if phase is consent.life:
        return ()
    if phase is ConsentPhase.EXPIRED and consent.expires_at is not None:
        return (Event(Occasion.EXPIRED, consent.expires_at, phase, None),)
    within = (consent.recorded_at or consent.given_at) + CONFIRM_WITHIN
    return (Event(Occasion.LAPSED, min(within, consent.expires_at or within), phase, None),)
