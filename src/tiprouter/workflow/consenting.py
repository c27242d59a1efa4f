"""What happens when a person consents, refuses, confirms, narrows or withdraws?

1. A grant has recipients or kinds, purposes, categories, an informed checklist and an end; a refusal may be bare. A
   guardian's grant says who the guardian is, and who attested when that nothing implicates them.
2. In the same transaction everything about every record that names the person is decided anew.
3. After a withdrawal commits no new attempt starts: queued deliveries that rested on it are cancelled inside it, and
   recipients that may have received what is no longer permitted get a recall. So after a narrowing and a refusal.
4. A withdrawal and a narrowing are answered with what they found: cancelled, in flight, already delivered. Delivered is
   every disclosure, superseded ones too, that may have arrived before and is recalled by it.
5. A grant that adds to what the person last said waits until they say it again, at another moment; until then it counts
   for nothing, and somebody is told that it waits. Every no lapses what waits (`domain/widening.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tiprouter.audit.kinds import Kind
from tiprouter.domain.consent import Choice, Consent, Scope, gaps_of
from tiprouter.domain.states import WAITING, DeliveryState, IllegalTransitionError
from tiprouter.domain.subject_states import ConsentPhase
from tiprouter.domain.vocabulary import Category, Purpose, RecipientKind
from tiprouter.domain.widening import (
    CONFIRM_WITHIN,
    NotNarrowerError,
    confirmed,
    lapsed,
    narrowed,
    received,
    withdrawn,
)
from tiprouter.errors import ConflictError, InvalidError, NotFoundError
from tiprouter.storage import consents, disclosures, records, registry
from tiprouter.storage.database import Transaction
from tiprouter.storage.decisions import Decision
from tiprouter.workflow.assess import assess
from tiprouter.workflow.happening import Actor, Desk, Happening, happening, moment
from tiprouter.workflow.intake import person_index


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose consent it is: a person's id, or the source and ref that records name them by."""

    person_id: str | None = None
    source: str | None = None
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Narrower:
    """What a grant is about from now on; None leaves a part of it as it is."""

    recipients: tuple[str, ...] | None = None
    kinds: tuple[RecipientKind, ...] | None = None
    purposes: tuple[Purpose, ...] | None = None
    categories: tuple[Category, ...] | None = None
    jurisdictions: tuple[str, ...] | None = None
    expires_at: datetime | None = None

    def of(self, scope: Scope) -> Scope:
        """The scope that is left of one."""
        named = {name: getattr(self, name) for name in Narrower.__slots__}
        return replace(scope, **{name: value for name, value in named.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Given:
    """A consent as it stands with its revision, and the decisions that stand about that person's records."""

    consent: Consent
    revision: int
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What a withdrawal or a narrowing found: each disclosure is counted once (rule 4)."""

    given: Given
    cancelled: int
    in_flight: int
    delivered: int


class WithdrawnError(ConflictError):
    """This consent was withdrawn or lapsed before, or is a refusal: there is nothing to withdraw."""


class NothingToConfirmError(ConflictError):
    """This grant does not wait to be confirmed: it stands, or it lapsed, ran out or was taken back; ask anew."""


class NothingToNarrowError(ConflictError):
    """This consent was withdrawn, lapsed or ran out: there is nothing to narrow."""


def give_consent(tx: Transaction, desk: Desk, actor: Actor, whose: Whose, consent: Consent) -> Given:
    """Store a grant or refusal (`consent`'s ids are set here); rules 1, 2, 5. Raises `InvalidError`."""
    with happening(tx, desk, actor, deciding=True) as it:
        _refuse_unsound(it, consent)
        consent = replace(consent, id=it.id("cns"), person_id=_person(it, whose))
        known = [one for one, _ in consents.of_person(tx, desk.vault, consent.person_id)]
        consent = received(known, consent, it.now, desk.confirm_after)
        kind = Kind.CONSENT_GRANTED if consent.choice is Choice.GRANT else Kind.CONSENT_REFUSED
        touched = records.touch(tx, consent.person_id)
        if consent.choice is Choice.REFUSE:
            _lapse_what_waits(it, consent.person_id)
        if consent.life is ConsentPhase.PENDING:
            kind = Kind.CONSENT_PENDING
            it.tell("consent.pending", consent.id, None, it.now + CONFIRM_WITHIN)
        _store(it, kind, consent, 1)
        return Given(consent, 1, _decide_again(it, touched, kind.value))


def confirm(tx: Transaction, desk: Desk, actor: Actor, consent_id: str, expected: int | None) -> Given:
    """The person said it again: what waited stands (rule 5).

    Raises `NotFoundError`, `NothingToConfirmError`, `TooEarlyError`, `ConflictError` on a stale revision.
    """
    with happening(tx, desk, actor, deciding=True) as it:
        consent, revision, touched = _held(it, consent_id, expected)
        try:
            consent = confirmed(consent, it.now)
        except IllegalTransitionError as error:
            raise NothingToConfirmError from error
        _store(it, Kind.CONSENT_CONFIRMED, consent, revision + 1)
        return Given(consent, revision + 1, _decide_again(it, touched, Kind.CONSENT_CONFIRMED.value))


def narrow(
    tx: Transaction, desk: Desk, actor: Actor, consent_id: str, expected: int | None, less: Narrower
) -> Withdrawal:
    """Take something out of a grant, at once (rules 3, 4).

    Raises `NotFoundError`, `InvalidError`, `NothingToNarrowError`, `ConflictError` on a stale revision.
    """
    with happening(tx, desk, actor, deciding=True) as it:
        if less.expires_at is not None and less.expires_at <= it.now:
            raise InvalidError("This field lies in the past; to end all of it, withdraw.", "/expires_at")

        def change(consent: Consent) -> Consent:
            try:
                return narrowed(consent, less.of(consent.scope), it.now)
            except NotNarrowerError as error:
                raise InvalidError(str(error)) from error
            except IllegalTransitionError as error:
                raise NothingToNarrowError from error

        return _take_back(it, consent_id, expected, change, Kind.CONSENT_NARROWED)


def withdraw(tx: Transaction, desk: Desk, actor: Actor, consent_id: str, expected: int | None) -> Withdrawal:
    """Withdraw a grant (rules 3, 4). Raises `NotFoundError`, `WithdrawnError`, `ConflictError` on a stale revision."""
    with happening(tx, desk, actor, deciding=True) as it:

        def change(consent: Consent) -> Consent:
            if consent.choice is not Choice.GRANT:
                raise WithdrawnError
            try:
                return withdrawn(consent, it.now)
            except IllegalTransitionError as error:
                raise WithdrawnError from error

        return _take_back(it, consent_id, expected, change, Kind.CONSENT_WITHDRAWN)


def _take_back(
    it: Happening, consent_id: str, expected: int | None, change: Callable[[Consent], Consent], kind: Kind
) -> Withdrawal:
    """Rules 3-5. What only waited is taken back without touching what stands."""
    consent, revision, touched = _held(it, consent_id, expected)
    waited = consent.life is ConsentPhase.PENDING
    consent = change(consent)
    if not waited:
        _lapse_what_waits(it, consent.person_id)
    _store(it, Kind.CONSENT_LAPSED if consent.life is ConsentPhase.LAPSED else kind, consent, revision + 1)
    before, recalled = disclosures.standing(it.tx, touched), disclosures.recalled(it.tx, touched)
    again = _decide_again(it, touched, kind.value)
    gone = before.keys() - disclosures.live_ids(it.tx, touched)
    cancelled = {one for one in gone if before[one] in WAITING}
    in_flight = {one for one in gone if before[one] is DeliveryState.CLAIMED}
    delivered = disclosures.recalled(it.tx, touched) - recalled - cancelled - in_flight
    return Withdrawal(Given(consent, revision + 1, again), len(cancelled), len(in_flight), len(delivered))


def _held(it: Happening, consent_id: str, expected: int | None) -> tuple[Consent, int, list[str]]:
    """A consent, its revision and the records that it touches, all held. Raises `NotFoundError`, `ConflictError`."""
    person_id = consents.whose(it.tx, consent_id)
    if person_id is None:
        raise NotFoundError
    touched = records.touch(it.tx, person_id)
    found = consents.load(it.tx, it.vault, consent_id)
    if found is None:
        raise NotFoundError
    if expected is not None and expected != found[1]:
        raise ConflictError
    return *found, touched


def _lapse_what_waits(it: Happening, person_id: str) -> None:
    """Rule 5: a yes that was said before a no does not become one after it."""
    for consent, revision in consents.of_person(it.tx, it.vault, person_id):
        if consent.life is ConsentPhase.PENDING:
            _store(it, Kind.CONSENT_LAPSED, lapsed(consent), revision + 1)


def _store(it: Happening, kind: Kind, consent: Consent, revision: int) -> None:
    consents.put(it.tx, it.vault, consent, revision, it.now)
    it.log(
        kind,
        {
            "consent": consent.id,
            "revision": revision,
            "state": consent.life.value,
            "person": consent.person_id,
            "grantor": consent.grantor.value,
            "categories": [category.value for category in consent.categories],
            "kinds": [kind.value for kind in consent.kinds],
            "recipients": list(consent.recipients),
            "purposes": [purpose.value for purpose in consent.purposes],
            "jurisdictions": list(consent.jurisdictions),
            "valid_from": moment(consent.valid_from),
            "expires_at": moment(consent.expires_at),
            "confirmed_at": moment(consent.confirmed_at),
            "withdrawn_at": moment(consent.withdrawn_at),
        },
    )


def _person(it: Happening, whose: Whose) -> str:
    if whose.person_id is not None:
        if not records.hold_person(it.tx, whose.person_id):
            raise InvalidError("This field names no person.", "/person/id")
        return whose.person_id
    external = person_index(it.desk, whose.source or "", whose.ref or "")
    return records.persons_by(it.tx, (external,), lambda: it.id("per"), it.now, alone=True)[0]


def _refuse_unsound(it: Happening, consent: Consent) -> None:
    if consent.valid_from < consent.given_at:
        raise InvalidError("This field is earlier than given_at.", "/valid_from")
    if consent.given_at > it.now:
        raise InvalidError("This field lies in the future.", "/given_at")
    if consent.expires_at is not None and consent.expires_at <= consent.valid_from:
        raise InvalidError("This field is not later than valid_from.", "/expires_at")
    for pointer, message in gaps_of(consent):
        raise InvalidError(message, pointer)
    attested_at = None if consent.guardian is None else consent.guardian.attested_at
    if attested_at is not None and attested_at > it.now:
        raise InvalidError("This field lies in the future.", "/guardian/attested_at")
    for number, recipient_id in enumerate(consent.recipients):
        if registry.load(it.tx, recipient_id) is None:
            raise InvalidError("This field names no recipient.", f"/recipients/{number}")


def _decide_again(it: Happening, record_ids: Sequence[str], cause: str) -> tuple[Decision, ...]:
    decided: list[Decision] = []
    for record_id in record_ids:
        stored = records.load(it.tx, it.vault, record_id)
        if stored is not None:
            decided.extend(assess(it, stored, cause).decisions)
    return tuple(decided)
