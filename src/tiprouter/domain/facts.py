"""What may the policy see of one person and one recipient?

1. A small closed set of values, derived here and nowhere else; the policy sees nothing of the record itself.
2. Every fact is from a closed vocabulary, so that the whole input space can be enumerated.
3. Facts hold at `now` and until `valid_until`: the first moment at which time alone changes one of them.
4. Violence is first-hand when the hotline heard or observed it; fresh when observed within the bundle's span.
5. `basis` is the strongest reason any potential victim of the record gives: duty, then consent, then danger. Duty is
   first so that withdrawing a consent never uncovers a reason that tells more.
6. A signaler who wished to stay anonymous has refused `signaler_identity`, whatever else was said: wishes narrow.
7. What the record leaves unknown of an age, a duty or how violence was perceived may have been established by a
   reviewer (`domain/established.py`); what the record knows is never contradicted.
8. A guardian is implicated where the record says so of them, or names them among the accused. Whether it is unknown, a
   guardian's grant does not count either (`domain/consent.py`, rule 4); a minor who may choose alone needs no guardian.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from typing import TypeAlias

from tiprouter.domain.age import Majority, age_band, next_change
from tiprouter.domain.consent import Consent, Question, changes_after, state_of
from tiprouter.domain.duty import NO_DUTY, Duty, Protocol, World, duty_toward, served
from tiprouter.domain.established import Established, age_of, duty_of, perceived_of
from tiprouter.domain.recipient import Recipient, RecipientStatus
from tiprouter.domain.record import Guardian, Implicated, Person, Record
from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    Basis,
    Category,
    ConsentState,
    DutyState,
    Perceived,
    Perception,
    RecipientKind,
    Relationship,
    Role,
    SignalerWish,
)
from tiprouter.domain.worlds import worlds_of

VICTIM_ROLES = (Role.POTENTIAL_VICTIM, Role.DEPENDANT)
"""Whose childhood makes a duty: the potential victims and their dependants."""

_PERCEIVED = {
    Perception.HEARD: Perceived.FIRST_HAND,
    Perception.OBSERVED: Perceived.FIRST_HAND,
    Perception.RELAYED: Perceived.RELAYED,
    Perception.UNKNOWN: Perceived.UNKNOWN,
}


Plain: TypeAlias = str | bool | dict[str, str] | list[str]
"""A fact as a JSON value."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a policy sees. `consents` has one state per `Category`, in the vocabulary's order.

    `rows` are the ids of the duty rows that name the recipient for this child: which slices of the bundle are asked.
    """

    recipient_kind: RecipientKind
    usable: bool
    agreement: bool
    implicated: bool
    in_jurisdiction: Answer
    role: Role
    age: AgeBand
    duty: DutyState
    reporter: Relationship
    immediate: Answer
    escalating: Answer
    perceived: Perceived
    fresh: bool
    basis: Basis
    consents: tuple[ConsentState, ...]
    rows: tuple[str, ...] = ()

    def consent(self, category: Category) -> ConsentState:
        """The consent state for one category."""
        return self.consents[tuple(Category).index(category)]

    @property
    def any_granted(self) -> bool:
        """Whether the person granted any category: a review asks whether something is left to decide about."""
        return ConsentState.GRANTED in self.consents

    def plain(self) -> dict[str, Plain]:
        """The facts as JSON values, in field order; what is stored, committed to in the log, and replayed."""
        values: dict[str, Plain] = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("consents", "rows")
        }
        values["consents"] = {
            category.value: state.value for category, state in zip(Category, self.consents, strict=True)
        }
        plain = {name: str(value) if isinstance(value, str) else value for name, value in values.items()}
        return plain | {"rows": list(self.rows)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One person's facts toward one recipient, how long they hold, and the duty's span after receipt.

    `zone` is where a statute's business days are counted; `duty_denied` says that a reviewer established that there is
    no duty toward this recipient.
    """

    facts: Facts
    valid_until: datetime | None
    duty_within: timedelta | None
    zone: tzinfo = UTC
    duty_denied: bool = False


@dataclass(frozen=True)
class Situation:
    """What facts are derived from: a record, its persons' consents by `ref`, a bundle's protocol, and the moment.

    `established` are the reviewers' findings, first to last. What follows from all these alone, whoever the recipient
    is, is found once.
    """

    record: Record
    consents: Mapping[str, Sequence[Consent]]
    protocol: Protocol
    now: datetime
    established: Sequence[Established] = ()

    @cached_property
    def worlds(self) -> Mapping[str, tuple[World, ...]]:
        """Every way it may be with each person whose childhood makes a duty, by `ref`."""
        persons = self.record.persons
        return {person.ref: worlds_of(self.record, person) for person in persons if person.role in VICTIM_ROLES}

    @cached_property
    def turns(self) -> tuple[datetime, ...]:
        """The moments after `now` at which the places' law, or somebody's consent, changes by itself."""
        law = (turn for place in self.record.jurisdictions for turn in self.protocol.turns(place.code, self.now))
        said = (turn for some in self.consents.values() for turn in changes_after(some, self.now))
        return (*law, *said)


@dataclass(frozen=True, slots=True)
class _Toward:
    """A situation seen from one recipient: the law's ages and its word on minors alone, and each child's duty.

    `denied` are the children toward whom a reviewer established that there is no duty.
    """

    situation: Situation
    recipient: Recipient
    duties: Mapping[str, Duty]
    denied: frozenset[str]
    majorities: tuple[Majority, ...]
    minor_alone: bool

    def question(self, person: Person, age: AgeBand) -> Question:
        here = served(self.situation.record.jurisdictions, self.recipient)
        places = tuple(place.code for place in here) or self.recipient.jurisdictions
        return Question(self.recipient, age, self.minor_alone, places, _guardians(self.situation.record, person))


def findings_for(situation: Situation, recipient: Recipient) -> dict[str, Finding]:
    """Facts of every person of the record toward one recipient, by `ref`."""
    record, toward = situation.record, _toward(situation, recipient)
    bands = _bands(situation, toward.majorities)
    states = {
        person.ref: _consent_states(situation, person, toward.question(person, bands[person.ref]))
        for person in record.persons
    }
    basis = _basis(toward, bands, states)
    until = _valid_until(toward)
    return {
        person.ref: Finding(
            facts=_facts(toward, person, bands[person.ref], states[person.ref], basis),
            valid_until=until,
            duty_within=None if bands[person.ref] is AgeBand.ADULT else toward.duties[person.ref].within,
            zone=_behind(toward.majorities, situation.now),
            duty_denied=person.ref in toward.denied,
        )
        for person in record.persons
    }


def _behind(majorities: Sequence[Majority], now: datetime) -> tzinfo:
    """Of several zones the one whose day is the earliest: business days end there no later than elsewhere."""
    return min((majority.zone for majority in majorities), key=lambda zone: zone.utcoffset(now) or timedelta())


def bands_anywhere(situation: Situation) -> dict[str, AgeBand]:
    """Each person's band under the record's most protective law: for duties that find no recipient."""
    record = situation.record
    majorities = _majorities(situation.protocol, [place.code for place in record.jurisdictions])
    return _bands(situation, majorities)


def _bands(situation: Situation, majorities: Sequence[Majority]) -> dict[str, AgeBand]:
    record = situation.record
    return {
        person.ref: age_of(
            situation.established,
            person.ref,
            age_band(person.age, majorities, record.signaled_at, situation.now),
        )
        for person in record.persons
    }


def _majorities(protocol: Protocol, codes: Sequence[str]) -> tuple[Majority, ...]:
    found = tuple(dict.fromkeys(protocol.majority(code) for code in codes))
    return found or (Majority(protocol.default_threshold, protocol.default_zone),)


def _toward(situation: Situation, recipient: Recipient) -> _Toward:
    record, protocol, today = situation.record, situation.protocol, situation.now.date()
    places = served(record.jurisdictions, recipient) or record.jurisdictions
    territories = [protocol.territories.get(place.code) for place in places]
    told = {
        ref: duty_toward(recipient, record.jurisdictions, worlds, protocol, today)
        for ref, worlds in situation.worlds.items()
    }
    found = {
        ref: duty_of(situation.established, ref, recipient.id, duty, protocol.immediately) for ref, duty in told.items()
    }
    return _Toward(
        situation=situation,
        recipient=recipient,
        duties={person.ref: NO_DUTY for person in record.persons} | found,
        denied=frozenset(
            ref for ref, duty in found.items() if duty is not told[ref] and duty.state is DutyState.NOT_REQUIRED
        ),
        majorities=_majorities(protocol, [place.code for place in places]),
        minor_alone=bool(territories) and all(one is not None and one.minor_alone for one in territories),
    )


def _facts(toward: _Toward, person: Person, age: AgeBand, consents: tuple[ConsentState, ...], basis: Basis) -> Facts:
    situation, recipient = toward.situation, toward.recipient
    record, duty = situation.record, toward.duties[person.ref]
    return Facts(
        recipient_kind=recipient.kind,
        usable=recipient.status is RecipientStatus.ACTIVE,
        agreement=recipient.agreed(situation.now),
        implicated=any(_names(entry, recipient, record) for entry in record.implicated),
        in_jurisdiction=_in_jurisdiction(record, recipient),
        role=person.role,
        age=age,
        duty=duty.state,
        reporter=record.signaler.relationship,
        immediate=record.violence.immediate,
        escalating=record.violence.escalating,
        perceived=_perceived(situation),
        fresh=_fresh_until(situation) is not None,
        basis=basis,
        consents=consents,
        rows=tuple(row.id for row in duty.rows) if age is not AgeBand.ADULT else (),
    )


def _consent_states(situation: Situation, person: Person, question: Question) -> tuple[ConsentState, ...]:
    consents = situation.consents.get(person.ref, ())
    states = []
    for category in Category:
        state = state_of(consents, question, category, situation.now)
        if category is Category.SIGNALER_IDENTITY and _wants_anonymity(situation.record, person):
            state = ConsentState.REFUSED
        states.append(state)
    return tuple(states)


def _guardians(record: Record, person: Person) -> tuple[Guardian, ...]:
    """Rule 8. Nobody is their own guardian."""
    if not person.guardians:
        return ()
    accused = {one.ref for one in record.persons if one.role is Role.ALLEGED_TRAFFICKER}
    known = (one for one in person.guardians if one.ref != person.ref)
    return tuple(replace(one, implicated=Answer.YES) if one.ref in accused else one for one in known)


def _wants_anonymity(record: Record, person: Person) -> bool:
    return record.signaler.ref == person.ref and record.signaler.wish is SignalerWish.ANONYMOUS


def _names(entry: Implicated, recipient: Recipient, record: Record) -> bool:
    if entry.recipient_id is not None:
        return entry.recipient_id == recipient.id
    if entry.kind is not recipient.kind:
        return False
    places = [place for place in record.jurisdictions if entry.jurisdiction in (None, place.code)]
    named = entry.jurisdiction is not None and entry.jurisdiction in recipient.jurisdictions
    return named or any(recipient.serves(place) is not Answer.NO for place in places)


def _in_jurisdiction(record: Record, recipient: Recipient) -> Answer:
    answers = {recipient.serves(place) for place in record.jurisdictions}
    for answer in (Answer.YES, Answer.UNKNOWN):
        if answer in answers:
            return answer
    return Answer.NO


def _basis(toward: _Toward, bands: Mapping[str, AgeBand], states: Mapping[str, tuple[ConsentState, ...]]) -> Basis:
    situation = toward.situation
    victims = [person for person in situation.record.persons if person.role is Role.POTENTIAL_VICTIM]
    incident = tuple(Category).index(Category.INCIDENT)
    owed = [ref for ref, duty in toward.duties.items() if duty.state is DutyState.REQUIRED]
    if any(bands[ref] is AgeBand.MINOR for ref in owed):
        return Basis.DUTY
    if any(states[person.ref][incident] is ConsentState.GRANTED for person in victims):
        return Basis.CONSENT
    violence = situation.record.violence
    imminent = (
        violence.immediate is Answer.YES
        and violence.escalating is Answer.YES
        and _perceived(situation) is Perceived.FIRST_HAND
        and _fresh_until(situation) is not None
    )
    return Basis.DANGER if imminent and victims else Basis.NONE


def _perceived(situation: Situation) -> Perceived:
    return perceived_of(situation.established, _PERCEIVED[situation.record.violence.perceived])


def _fresh_until(situation: Situation) -> datetime | None:
    """When observed violence stops being fresh; None when it is not fresh now or was never dated."""
    observed = situation.record.violence.observed_at
    if observed is None or situation.now >= observed + situation.protocol.violence_fresh:
        return None
    return observed + situation.protocol.violence_fresh


def _valid_until(toward: _Toward) -> datetime | None:
    """Rule 3, for the whole record: one person's change may change another's basis."""
    situation, recipient = toward.situation, toward.recipient
    now, record = situation.now, situation.record
    moments = [_fresh_until(situation), recipient.agreement_until if recipient.agreed(now) else None]
    moments += situation.turns
    moments += [next_change(person.age, toward.majorities, record.signaled_at, now) for person in record.persons]
    return min((moment for moment in moments if moment is not None), default=None)
