"""What happens when a person consents, refuses, or withdraws?

1. A grant has recipients or kinds, purposes, categories, an informed checklist and an end; a refusal may be bare.
2. In the same transaction everything about every record that names the person is decided anew.
3. After a withdrawal commits no new attempt starts: queued deliveries that rested on it are cancelled inside it, and
   recipients that may have received what is no longer permitted get a recall.
4. A withdrawal is answered with what it found: cancelled, in flight, already delivered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tiprouter.audit.entry import Kind
from tiprouter.domain.consent import Choice, Consent
from tiprouter.domain.states import DUE, DeliveryState
from tiprouter.errors import ConflictError, InvalidError, NotFoundError
from tiprouter.storage import consents, deliveries, disclosures, records, registry
from tiprouter.storage.database import Transaction
from tiprouter.storage.decisions import Decision
from tiprouter.workflow.assess import assess
from tiprouter.workflow.disclose import WITHDRAWN
from tiprouter.workflow.happening import Actor, Desk, Happening, happening, moment
from tiprouter.workflow.intake import person_index


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose consent it is: a person's id, or the source and ref that records name them by."""

    person_id: str | None = None
    source: str | None = None
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """A consent as it stands with its revision, and the decisions that stand about that person's records."""

    consent: Consent
    revision: int
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What a withdrawal found of the disclosures that no longer stand."""

    given: Given
    cancelled: int
    in_flight: int
    delivered: int


class WithdrawnError(ConflictError):
    """This consent was withdrawn before, or is a refusal: there is nothing to withdraw."""


def give_consent(tx: Transaction, desk: Desk, actor: Actor, whose: Whose, consent: Consent) -> Given:
    """Store a grant or refusal (`consent`'s ids are set here); rules 1 and 2. Raises `InvalidError`."""
    with happening(tx, desk, actor, deciding=True) as it:
        _refuse_unsound(it, consent)
        consent = replace(consent, id=it.id("cns"), person_id=_person(it, whose))
        consents.put(tx, desk.vault, consent, 1, it.now)
        kind = Kind.CONSENT_GRANTED if consent.choice is Choice.GRANT else Kind.CONSENT_REFUSED
        _log(it, kind, consent)
        return Given(consent, 1, _decide_again(it, records.touch(tx, consent.person_id), kind.value))


def withdraw(tx: Transaction, desk: Desk, actor: Actor, consent_id: str, expected: int | None) -> Withdrawal:
    """Withdraw a grant (rules 3, 4). Raises `NotFoundError`, `WithdrawnError`, `ConflictError` on a stale revision."""
    with happening(tx, desk, actor, deciding=True) as it:
        person_id = consents.whose(tx, consent_id)
        if person_id is None:
            raise NotFoundError
        touched = records.touch(tx, person_id)
        found = consents.load(tx, desk.vault, consent_id)
        if found is None:
            raise NotFoundError
        consent, revision = found
        if expected is not None and expected != revision:
            raise ConflictError
        if consent.withdrawn_at is not None or consent.choice is not Choice.GRANT:
            raise WithdrawnError
        consent = replace(consent, withdrawn_at=it.now)
        consents.put(tx, desk.vault, consent, revision + 1, it.now)
        _log(it, Kind.CONSENT_WITHDRAWN, consent)
        before = _standing(it, touched)
        again = _decide_again(it, touched, WITHDRAWN)
        gone = before.keys() - _standing(it, touched).keys()
        states = [before[disclosure_id] for disclosure_id in gone]
        return Withdrawal(
            given=Given(consent, revision + 1, again),
            cancelled=sum(state in DUE for state in states),
            in_flight=states.count(DeliveryState.CLAIMED),
            delivered=states.count(DeliveryState.DELIVERED),
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
    for number, recipient_id in enumerate(consent.recipients):
        if registry.load(it.tx, recipient_id) is None:
            raise InvalidError("This field names no recipient.", f"/recipients/{number}")


def _standing(it: Happening, record_ids: Sequence[str]) -> dict[str, DeliveryState]:
    """The live disclosures of these records, and where their deliveries are."""
    live = [disclosure.id for record_id in record_ids for disclosure in disclosures.live(it.tx, record_id).values()]
    return {key: delivery.state for key, delivery in deliveries.of_disclosures(it.tx, live).items()}


def _decide_again(it: Happening, record_ids: Sequence[str], cause: str) -> tuple[Decision, ...]:
    decided: list[Decision] = []
    for record_id in record_ids:
        stored = records.load(it.tx, it.vault, record_id)
        if stored is not None:
            decided.extend(assess(it, stored, cause).decisions)
    return tuple(decided)


def _log(it: Happening, kind: Kind, consent: Consent) -> None:
    it.log(
        kind,
        {
            "consent": consent.id,
            "person": consent.person_id,
            "grantor": consent.grantor.value,
            "categories": [category.value for category in consent.categories],
            "kinds": [kind.value for kind in consent.kinds],
            "recipients": list(consent.recipients),
            "purposes": [purpose.value for purpose in consent.purposes],
            "valid_from": moment(consent.valid_from),
            "expires_at": moment(consent.expires_at),
            "withdrawn_at": moment(consent.withdrawn_at),
        },
    )
