"""What may leave now, to whom, by the history's own books?

1. The books hold what the history itself did: records as they were told, sayings, agencies, reviewers' answers, which
   bundle is in force. Nothing is read back from the service, save the content of a record after an erasure.
2. The facts are derived here a second time: consent, age, guardians, implication, agreement, place, violence, basis.
   Only a child's duty is looked up with the product's own table reader (`domain/duty.py`), on these facts.
3. What the facts mean is the gate's second text of the decision rules (`policy/gate/rules.py`), never a bundle.
4. Every piece of personal data is a marker of its own, so that what may leave is a set of markers.
5. A reviewer's answer counts `strictly` while nothing it is about has changed since, at any step; what may leave is
   asked with `lenient` answers, which count again when everything is as it was: who decides again only later is right.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from tests.machine.saying import Asked, Saying, cleared, state
from tiprouter.domain.age import Majority
from tiprouter.domain.duty import Protocol, duty_toward
from tiprouter.domain.facts import Facts
from tiprouter.domain.recipient import Recipient, RecipientStatus
from tiprouter.domain.record import Jurisdiction, Person, Record
from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    Basis,
    Category,
    ConsentState,
    DutyState,
    Outcome,
    Perceived,
    Perception,
    Role,
    SignalerWish,
)
from tiprouter.domain.worlds import worlds_of
from tiprouter.policy.gate import rules
from tiprouter.policy.gate.claims import claims_of
from tiprouter.policy.gate.rules import ThirdParty
from tiprouter.policy.questions import REPORT, REVIEW

CHILDREN: Final = (Role.POTENTIAL_VICTIM, Role.DEPENDANT)
LEAVING: Final = (Outcome.REPORT, Outcome.DISCLOSE)
FIRST_HAND: Final = (Perception.HEARD, Perception.OBSERVED)
NOTHING: Final = frozenset[Category]()


@dataclass
class Told:
    """A record as the history told it."""

    id: str
    record: Record
    persons: tuple[str, ...]
    revision: int
    markers: Mapping[str, tuple[tuple[str, ...], Category | None]]
    since: datetime
    closed: bool = False
    erased: bool = False
    ever: set[str] = field(default_factory=set)
    holds: list[str] = field(default_factory=list)
    ages: dict[str, AgeBand] = field(default_factory=dict)
    perceived: Perceived | None = None
    duties: dict[tuple[str, str], DutyState] = field(default_factory=dict)


@dataclass
class Answered:
    """A reviewer's answer, and what it was about."""

    release: bool
    categories: frozenset[Category]
    facts: Facts
    revision: int
    bundle: str
    strict: bool = True


@dataclass(frozen=True)
class Reply:
    """What the hotline answered an agency's question: about whom, and which kind of data it is."""

    question_id: str
    record_id: str
    agency_id: str
    refs: tuple[str, ...]
    category: Category | None


@dataclass(frozen=True)
class Ruled:
    """What the rules say of one person and one agency."""

    outcome: Outcome
    categories: frozenset[Category]
    facts: Facts


@dataclass(frozen=True)
class Payload:
    """What may leave to one agency about one record: markers, and each shown person's categories in order."""

    markers: frozenset[str]
    persons: tuple[tuple[str, frozenset[Category]], ...]
    incident: bool
    signaler: bool


@dataclass
class Model:
    """The books."""

    protocols: Mapping[str, Protocol]
    bundle: str
    now: datetime
    agencies: dict[str, Recipient] = field(default_factory=dict)
    records: dict[str, Told] = field(default_factory=dict)
    sayings: dict[str, list[Saying]] = field(default_factory=dict)
    answers: dict[tuple[str, str, str], list[Answered]] = field(default_factory=dict)
    replies: dict[str, Reply] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)

    @property
    def protocol(self) -> Protocol:
        """The tables in force."""
        return self.protocols[self.bundle]

    def payload(self, record_id: str, agency_id: str, *, strictly: bool = False) -> Payload | None:
        """What may leave, or None when nothing may."""
        ruled = self.ruled(record_id, agency_id, strictly=strictly)
        told = self.records[record_id]
        leaving = {ref: one for ref, one in ruled.items() if one.outcome in LEAVING}
        if not leaving:
            return None
        everyone = tuple(person.ref for person in told.record.persons)
        markers = frozenset(
            marker
            for marker, (refs, category) in told.markers.items()
            if all(
                _all(category) <= (leaving[ref].categories if ref in leaving else NOTHING) for ref in refs or everyone
            )
        )
        by = told.record.signaler.ref
        return Payload(
            markers=markers,
            persons=tuple((ref, leaving[ref].categories) for ref in everyone if ref in leaving),
            incident=any(Category.INCIDENT in one.categories for one in leaving.values()),
            signaler=by in leaving and Category.SIGNALER_IDENTITY in leaving[by].categories,
        )

    def ruled(self, record_id: str, agency_id: str, *, strictly: bool = False) -> dict[str, Ruled]:
        """What the rules say of everybody of a record toward one agency; nobody where it is no candidate."""
        told, agency = self.records[record_id], self.agencies[agency_id]
        if told.erased or not self._candidate(told, agency):
            return {}
        facts = self.facts(told, agency)
        found = {}
        for person, person_id in zip(told.record.persons, told.persons, strict=True):
            outcome, categories = _ruled(facts[person.ref], self._third_party)
            if outcome is Outcome.HOLD_REVIEW:
                key = (record_id, person_id, agency_id)
                outcome, categories = self._reviewed(key, facts[person.ref], told.revision, strictly=strictly)
            leaves = outcome in LEAVING
            found[person.ref] = Ruled(outcome, categories if leaves else NOTHING, facts[person.ref])
        return found

    def may_answer(self, reply: Reply, *, strictly: bool = False) -> bool:
        """Whether an answer may leave: everybody it is about lets that kind of data leave."""
        told = self.records[reply.record_id]
        ruled = self.ruled(reply.record_id, reply.agency_id, strictly=strictly)
        about = reply.refs or tuple(person.ref for person in told.record.persons)
        return bool(about) and all(
            ref in ruled and ruled[ref].outcome in LEAVING and _all(reply.category) <= ruled[ref].categories
            for ref in about
        )

    def about(self, reply: Reply) -> frozenset[str]:
        """The persons an answer is about, as the record names them now."""
        told = self.records[reply.record_id]
        named = zip(told.record.persons, told.persons, strict=True)
        return frozenset(person_id for person, person_id in named if not reply.refs or person.ref in reply.refs)

    def releasable(self, told: Told, agency: Recipient, person_id: str) -> frozenset[Category]:
        """What a reviewer may release of a person to an agency, if anything is held: what the rules permit."""
        if person_id not in told.persons or told.erased:
            return NOTHING
        facts = self.facts(told, agency)[told.record.persons[told.persons.index(person_id)].ref]
        return _answers(facts, self._third_party)[1]

    def age_answers(self) -> None:
        """Rule 5: an answer about what is no longer so counts no longer, strictly."""
        for (record_id, person_id, agency_id), answers in self.answers.items():
            told = self.records[record_id]
            live = [one for one in answers if one.strict]
            if not live:
                continue
            if told.erased or person_id not in told.persons:
                facts = None
            else:
                facts = self.facts(told, self.agencies[agency_id])[
                    told.record.persons[told.persons.index(person_id)].ref
                ]
            for one in live:
                one.strict = (one.facts, one.revision, one.bundle) == (facts, told.revision, self.bundle)

    def facts(self, told: Told, agency: Recipient) -> dict[str, Facts]:
        """Rule 2."""
        record, places = told.record, served(told.record, agency)
        codes = [place.code for place in places] or [place.code for place in record.jurisdictions]
        ages = {person.ref: self._age(told, person, codes) for person in record.persons}
        alone = bool(codes) and all(
            code in self.protocol.territories and self.protocol.territories[code].minor_alone for code in codes
        )
        duties = {person.ref: self._duty(told, person, agency) for person in record.persons}
        where = tuple(place.code for place in places) or agency.jurisdictions
        consents = {
            one.ref: self._consents(
                told, one, Asked(agency.id, agency.kind, ages[one.ref] is AgeBand.MINOR, alone, where, cleared(one))
            )
            for one in record.persons
        }
        perceived = self._perceived(told)
        shared: dict[str, Any] = {
            "recipient_kind": agency.kind,
            "usable": agency.status is RecipientStatus.ACTIVE,
            "agreement": agency.agreement_until is not None and self.now < agency.agreement_until,
            "implicated": self._implicated(record, agency),
            "in_jurisdiction": serves(record, agency),
            "reporter": record.signaler.relationship,
            "immediate": record.violence.immediate,
            "escalating": record.violence.escalating,
            "perceived": perceived,
            "fresh": self._fresh(record),
            "basis": self._basis(told, ages, consents, duties),
        }
        return {
            person.ref: Facts(
                **shared,
                role=person.role,
                age=ages[person.ref],
                duty=duties[person.ref][0],
                consents=consents[person.ref],
                rows=duties[person.ref][1] if ages[person.ref] is not AgeBand.ADULT else (),
            )
            for person in record.persons
        }

    @property
    def _third_party(self) -> ThirdParty:
        return ThirdParty.FORWARDED if self.bundle == "tip-sharing" else ThirdParty.WITHHELD

    def _candidate(self, told: Told, agency: Recipient) -> bool:
        named = any(
            agency.id in extent.agencies
            for person_id in told.persons
            for one in self.sayings.get(person_id, ())
            if one.grant and one.counts
            for extent in (one.extent, *(before for _, before in one.cuts))
        )
        return named or "US" in agency.jurisdictions or bool(served(told.record, agency))

    def _reviewed(
        self, key: tuple[str, str, str], facts: Facts, revision: int, *, strictly: bool
    ) -> tuple[Outcome, frozenset[Category]]:
        for one in self.answers.get(key, ()):
            about = (one.facts, one.revision, one.bundle) == (facts, revision, self.bundle)
            if not about or (strictly and not one.strict):
                continue
            if not one.release:
                return Outcome.WITHHOLD, NOTHING
            _, permitted = _answers(facts, self._third_party)
            released = _named(facts, one.categories & permitted)
            if released:
                return Outcome.DISCLOSE, released
        return Outcome.HOLD_REVIEW, NOTHING

    def _age(self, told: Told, person: Person, codes: list[str]) -> AgeBand:
        protocol = self.protocol
        majorities = [protocol.majority(code) for code in codes] or [
            Majority(protocol.default_threshold, protocol.default_zone)
        ]
        bands = set()
        for majority in majorities:
            age, threshold = person.age, majority.threshold
            if age.date_of_birth is not None:
                born = age.date_of_birth
            elif age.years is not None:
                signaled = told.record.signaled_at.astimezone(majority.zone).date()
                born = signaled.replace(year=signaled.year - age.years)
            else:
                bands.add(age.belief or AgeBand.UNKNOWN)
                continue
            come = born.replace(year=born.year + threshold)
            of_age = self.now >= datetime(come.year, come.month, come.day, tzinfo=majority.zone).astimezone(UTC)
            bands.add(AgeBand.ADULT if of_age else AgeBand.MINOR)
        if AgeBand.MINOR in bands:
            return AgeBand.MINOR
        band = AgeBand.ADULT if bands == {AgeBand.ADULT} else AgeBand.UNKNOWN
        return told.ages.get(person.ref, band) if band is AgeBand.UNKNOWN else band

    def _duty(self, told: Told, person: Person, agency: Recipient) -> tuple[DutyState, tuple[str, ...]]:
        if person.role not in CHILDREN:
            return DutyState.NOT_REQUIRED, ()
        record = told.record
        worlds = worlds_of(record, person)
        duty = duty_toward(agency, record.jurisdictions, worlds, self.protocol, self.now.date())
        found = told.duties.get((person.ref, agency.id)) if duty.state is DutyState.UNKNOWN else None
        if found is DutyState.NOT_REQUIRED:
            return found, ()
        return found or duty.state, tuple(row.id for row in duty.rows)

    def _consents(self, told: Told, person: Person, asked: Asked) -> tuple[ConsentState, ...]:
        sayings = self.sayings.get(told.persons[told.record.persons.index(person)], ())
        signaler = told.record.signaler
        found = []
        for category in Category:
            word = state(sayings, asked, category, self.now)
            hidden = signaler.ref == person.ref and signaler.wish is SignalerWish.ANONYMOUS
            found.append(ConsentState.REFUSED if hidden and category is Category.SIGNALER_IDENTITY else word)
        return tuple(found)

    def _implicated(self, record: Record, agency: Recipient) -> bool:
        """Histories accuse one agency, or all of a kind in a place; a nationwide one serves the record's places."""
        nationwide = [place.code for place in record.jurisdictions if "US" in agency.jurisdictions]
        return any(
            one.recipient_id == agency.id
            if one.recipient_id is not None
            else one.kind is agency.kind and one.jurisdiction in (*agency.jurisdictions, *nationwide)
            for one in record.implicated
        )

    def _perceived(self, told: Told) -> Perceived:
        how = told.record.violence.perceived
        if how in FIRST_HAND:
            return Perceived.FIRST_HAND
        return Perceived.RELAYED if how is Perception.RELAYED else told.perceived or Perceived.UNKNOWN

    def _fresh(self, record: Record) -> bool:
        observed = record.violence.observed_at
        return observed is not None and self.now < observed + self.protocol.violence_fresh

    def _basis(
        self,
        told: Told,
        ages: Mapping[str, AgeBand],
        consents: Mapping[str, tuple[ConsentState, ...]],
        duties: Mapping[str, tuple[DutyState, tuple[str, ...]]],
    ) -> Basis:
        record, violence = told.record, told.record.violence
        victims = [person.ref for person in record.persons if person.role is Role.POTENTIAL_VICTIM]
        if any(ages[ref] is AgeBand.MINOR and duty is DutyState.REQUIRED for ref, (duty, _) in duties.items()):
            return Basis.DUTY
        if any(consents[ref][0] is ConsentState.GRANTED for ref in victims):
            return Basis.CONSENT
        stated = violence.immediate is Answer.YES and violence.escalating is Answer.YES
        imminent = stated and self._perceived(told) is Perceived.FIRST_HAND and self._fresh(record)
        return Basis.DANGER if imminent and victims else Basis.NONE


def served(record: Record, agency: Recipient) -> list[Jurisdiction]:
    """The places of a record that an agency serves; histories register none that is limited to counties."""
    return [place for place in record.jurisdictions if {"US", place.code} & set(agency.jurisdictions)]


def serves(record: Record, agency: Recipient) -> Answer:
    """Whether an agency serves any place of the record."""
    return Answer.YES if served(record, agency) else Answer.NO


def _all(category: Category | None) -> frozenset[Category]:
    """What a label stands for: none stands for everything."""
    return frozenset(Category) if category is None else frozenset((category,))


def _named(facts: Facts, categories: frozenset[Category]) -> frozenset[Category]:
    """Somebody who only signaled is known by appearing at all."""
    return NOTHING if facts.role is Role.SIGNALER and Category.SIGNALER_IDENTITY not in categories else categories


@lru_cache(maxsize=20_000)
def _answers(facts: Facts, choice: ThirdParty) -> tuple[frozenset[str], frozenset[Category]]:
    """Rule 3: which of report and review the rules ask for, and what they permit."""
    claims = claims_of(facts)
    said = {one for one in (REPORT, REVIEW) if rules.answer(claims, one, choice).holds}
    permitted = frozenset(one for one in Category if rules.answer(claims, one.value, choice).holds)
    return frozenset(said), _named(facts, permitted)


@lru_cache(maxsize=20_000)
def _ruled(facts: Facts, choice: ThirdParty) -> tuple[Outcome, frozenset[Category]]:
    said, permitted = _answers(facts, choice)
    if REPORT in said:
        return (Outcome.REPORT if permitted else Outcome.DUTY_BLOCKED), permitted
    if REVIEW in said:
        return Outcome.HOLD_REVIEW, permitted
    return (Outcome.DISCLOSE if permitted else Outcome.WITHHOLD), permitted
