"""The steps of agencies at their inbox, and of the people at the desk: reviewers, counsel, privacy officers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

from tests.machine.content import MARKER, demand
from tests.machine.machine import Basics
from tests.machine.model import Answered, Told
from tests.support.answering import WORDS
from tests.support.governing import COUNSEL, SECOND_COUNSEL
from tests.support.reviewing import ANNA, BERT
from tests.support.service import bundle
from tiprouter.domain.discharge import CallOutcome
from tiprouter.domain.recipient import Recipient, RecipientStatus
from tiprouter.domain.states import ReviewState
from tiprouter.domain.vocabulary import (
    AcknowledgementStatus,
    AgeBand,
    Category,
    DutyState,
    Establishable,
    Perceived,
    RecipientKind,
    ReviewAnswer,
)
from tiprouter.errors import ConflictError, InvalidError, NotFoundError
from tiprouter.policy.gate.check import GateReport
from tiprouter.storage import records
from tiprouter.storage.acknowledgements import Words
from tiprouter.storage.database import Transaction
from tiprouter.workflow import acknowledging, erasing, governing, heeding, holding, inbox, noticing, reviewing
from tiprouter.workflow.erasing import Erased, HeldError
from tiprouter.workflow.evidence import Called, record_call
from tiprouter.workflow.governing import InForce, Wish
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.inbox import Fetched
from tiprouter.workflow.noticing import Given
from tiprouter.workflow.reviewing import Said, Settled

T = TypeVar("T")
WHY: Final = "a fictional reason"
TWICE: Final = frozenset({Category.IDENTITY, Category.CONTACT, Category.HEALTH})
OTHER: Final = {"survivor-led": "tip-sharing", "tip-sharing": "survivor-led"}


@dataclass
class _Open:
    """A payload that an agency is being handed."""

    fetched: Fetched
    actor: Actor


def office_of(agency: Recipient) -> Actor:
    """An agency's own credential."""
    return Actor("cal_office", "agency", agency.id)


class Offices(Basics):
    """What agencies do by themselves."""

    def poll(self) -> str:
        """An agency looks into its inbox: what lies there may be told it at this moment."""
        agency, desk = self.any_agency(), self.house.desk
        shelf = self.tell(lambda tx: inbox.open_inbox(tx, desk, office_of(agency), None, 50))
        for item in shelf.items:
            demand(item.delivery.recipient_id == agency.id, "an inbox shows its own", item.delivery.id)
            if item.recalls is None:
                told = self.watch.contents[item.delivery.disclosure_id]
                self.watch.permitted(told, item.delivery.record_id, agency.id, "an inbox shows what may leave")
        demand(not shelf.items or agency.status is RecipientStatus.ACTIVE, "a suspended agency's inbox is empty")
        return "found something" if shelf.items else "empty"

    def fetch(self) -> str | None:
        """An agency takes a payload; its connection may break before it has it. Another's is not there for it."""
        known = list(self.watch.tables["deliveries"].values())
        if not known:
            return None
        row = self.chance.choice(known)
        agency = self.any_agency() if self.chance.random() < 0.15 else self.model.agencies[row[4]]
        fetched = self.taken(agency, row[0])
        if fetched is None:
            return "not there"
        if self.chance.random() < 0.2:
            return "broken off"
        self.handed_over(fetched)
        return "taken"

    def taken(self, agency: Recipient, delivery_id: str) -> Fetched | None:
        """What an agency gets when it asks for a delivery."""
        desk, row = self.house.desk, self.watch.tables["deliveries"][delivery_id]
        fetched = self.tell(lambda tx: inbox.fetch(tx, desk, office_of(agency), delivery_id))
        if fetched is not None:
            demand(agency.id == row[4], "another agency's delivery is not there", agency.id)
            demand(agency.status is RecipientStatus.ACTIVE, "a suspended agency takes nothing", agency.id)
            self.watch.leaving(fetched.body.body, row[3], agency.id)
            self.watch.outcomes["payloads handed to agencies"] += 1
        return fetched

    def handed_over(self, fetched: Fetched) -> None:
        """The payload reached its connection."""
        desk = self.house.desk
        self.tell(lambda tx: inbox.handed_over(tx, desk, fetched))

    def acknowledge(self) -> str | None:
        """An agency answers; of what never left it knows nothing."""
        rows = [row for row in self.watch.tables["disclosures"].values() if not row[2]]
        if not rows:
            return None
        row, desk = self.chance.choice(rows), self.house.desk
        status = self.chance.choices(tuple(AcknowledgementStatus), (4, 2, 1, 1))[0]
        words, actor = Words("EX-1", WHY, WHY), Actor("cal_office", "agency", row[4])
        story: Callable[[Transaction], Any] = partial(
            acknowledging.acknowledge, desk=desk, actor=actor, disclosure_id=row[0], status=status, words=words
        )
        if self.model.records[row[3]].erased:
            return None
        if row[0] not in self.watch.left:
            self.refused(story, NotFoundError)
            return "never sent"
        self.tell(story)
        return status.value


class Desks(Basics):
    """What people at the hotline do."""

    proposals: dict[str, tuple[str, frozenset[Category]]]

    def review(self) -> str | None:
        """A reviewer takes and answers a review; or another confirms what was proposed."""
        rows = [row for row in self.watch.tables["reviews"].values() if row[1] in ("open", "claimed", "proposed")]
        if not rows:
            return None
        row, actor, desk = self.chance.choice(rows), self.chance.choice((ANNA, BERT)), self.house.desk
        if row[1] == ReviewState.PROPOSED and self.chance.random() < 0.8:
            return self._confirm(row, actor)
        if not self.attempt(lambda tx: reviewing.claim(tx, desk, actor, row[0]), _nothing, ConflictError):
            return "taken"
        said = self._answer(row)

        def books(settled: Settled) -> None:
            # The answer is given, and whatever it does is done, before anything is looked at.
            self._answered(row, said, settled, actor)

        told = self.attempt(
            lambda tx: reviewing.decide(tx, desk, actor, row[0], said), books, ConflictError, InvalidError
        )
        return said.answer.value if told else f"{said.answer.value} refused"

    def _answer(self, row: tuple[Any, ...]) -> Said:
        told, agency = self.model.records[row[2]], self.model.agencies[row[4]]
        may = self.model.releasable(told, agency, row[3])
        answer = self.chance.choices(tuple(ReviewAnswer), (9 if may else 1, 3, 5, 1))[0]
        if answer is ReviewAnswer.RELEASE:
            some = sorted(may) if may and self.chance.random() < 0.8 else tuple(Category)
            return Said(answer, WHY, tuple(self.chance.sample(some, self.chance.randint(1, len(some)))))
        if answer is ReviewAnswer.ESTABLISH:
            fact = self.chance.choice(tuple(Establishable))
            values = {
                Establishable.AGE: (AgeBand.ADULT, AgeBand.MINOR),
                Establishable.DUTY: (DutyState.REQUIRED, DutyState.NOT_REQUIRED),
                Establishable.PERCEIVED: (Perceived.FIRST_HAND, Perceived.RELAYED),
            }
            return Said(answer, WHY, (), fact, self.chance.choice(values[fact]).value)
        return Said(answer, WHY)

    def _answered(self, row: tuple[Any, ...], said: Said, settled: Settled, actor: Actor) -> None:
        told, agency = self.model.records[row[2]], self.model.agencies[row[4]]
        self.history.discard(told.id)
        twice = agency.kind is RecipientKind.LAW_ENFORCEMENT and bool(TWICE & set(said.categories))
        if said.answer is ReviewAnswer.RELEASE:
            proposed = settled.held.state is ReviewState.PROPOSED
            demand(proposed == twice, "who a person is goes to police by two words", said.categories)
            may = self.model.releasable(told, agency, row[3])
            demand(set(said.categories) <= may, "nobody releases what no policy permits", said.categories, may)
            if proposed:
                self.proposals[row[0]] = (actor.id, frozenset(said.categories))
                return
        if said.answer is ReviewAnswer.ESTABLISH:
            self._established(told, agency, told.record.persons[told.persons.index(row[3])].ref, said)
        if said.answer in (ReviewAnswer.RELEASE, ReviewAnswer.WITHHOLD):
            self._counts(row, frozenset(said.categories), release=said.answer is ReviewAnswer.RELEASE)

    def _established(self, told: Told, agency: Recipient, ref: str, said: Said) -> None:
        value = str(said.value)
        match said.fact:
            case Establishable.AGE:
                told.ages[ref] = AgeBand(value)
            case Establishable.DUTY:
                told.duties[ref, agency.id] = DutyState(value)
            case _:
                told.perceived = Perceived(value)

    def _confirm(self, row: tuple[Any, ...], actor: Actor) -> str:
        desk, (proposer, categories) = self.house.desk, self.proposals[row[0]]

        def books(_: Settled) -> None:
            demand(proposer != actor.id, "another person confirms", actor.id)
            self.history.discard(row[2])
            self._counts(row, categories, release=True)

        told = self.attempt(lambda tx: reviewing.confirm(tx, desk, actor, row[0]), books, ConflictError, InvalidError)
        return "confirmed" if told else "confirmation refused"

    def _counts(self, row: tuple[Any, ...], categories: frozenset[Category], *, release: bool) -> None:
        told, agency = self.model.records[row[2]], self.model.agencies[row[4]]
        ref = told.record.persons[told.persons.index(row[3])].ref
        answer = Answered(release, categories, self.model.facts(told, agency)[ref], told.revision, self.model.bundle)
        self.model.answers.setdefault((told.id, row[3], agency.id), []).insert(0, answer)

    def call(self) -> str | None:
        """Somebody calls for a duty."""
        rows = [row for row in self.watch.tables["duties"].values() if row[8] and row[1] in ("open", "overdue")]
        if not rows:
            return None
        row, desk = self.chance.choice(rows), self.house.desk
        outcome = self.chance.choice(tuple(CallOutcome))
        instead: tuple[Any, Any] = (None, None)
        if row[4] is None or self.chance.random() < 0.2:
            instead = (self.chance.choice(tuple(RecipientKind)), "US-TX")
        called = Called(outcome, self.model.now, WORDS, *instead)
        told = self.attempt(lambda tx: record_call(tx, desk, ANNA, row[0], called), _nothing, InvalidError)
        return outcome.value if told else "nobody to call so"

    def heed(self) -> str | None:
        """Somebody says that a notice was seen."""
        rows = list(self.watch.tables["notices"].values())
        if not rows:
            return None
        key, desk = self.chance.choice(rows)[0], self.house.desk
        self.tell(lambda tx: heeding.acknowledge(tx, desk, OPERATOR_ON_CALL, key))
        return "heeded"

    def subject_notice(self) -> str | None:
        """A person is told that something was disclosed about them, or it is put off."""
        rows = [row for row in self.watch.tables["subject_notices"].values() if row[1] in ("due", "deferred")]
        if not rows:
            return None
        key, desk = self.chance.choice(rows)[0], self.house.desk
        if self.chance.random() < 0.5:
            self.tell(lambda tx: noticing.give(tx, desk, ANNA, key, Given("text", self.model.now, time_was_safe=True)))
            return "given"
        until = self.model.now + timedelta(days=2)
        self.tell(lambda tx: noticing.defer(tx, desk, ANNA, key, WHY, until))
        return "deferred"

    def hold(self) -> str | None:
        """A legal hold is placed or released."""
        found = self.open_records()
        if not found:
            return None
        told, desk = self.chance.choice(found), self.house.desk
        if told.holds:
            key = told.holds.pop()
            self.tell(lambda tx: holding.release(tx, desk, ANNA, told.id, key))
            return "released"
        placed = self.tell(lambda tx: holding.hold(tx, desk, ANNA, told.id, WHY))
        told.holds.append(placed.id)
        return "held"

    def erase(self) -> str | None:
        """A record or a person is erased, by two; what is held or owed is kept."""
        found = self.open_records()
        if not found:
            return None
        told = self.chance.choice(found)
        person_id = self.chance.choice(told.persons) if self.chance.random() < 0.5 else None
        desk, said = self.house.desk, "kept"
        about = [told] if person_id is None else [one for one in found if person_id in one.ever]
        for actor in (ANNA, BERT):
            books = partial(self._erased, person_id)
            story: Callable[[Transaction], Erased] = (
                partial(erasing.erase_record, desk=desk, actor=actor, record_id=told.id)
                if person_id is None
                else partial(erasing.erase_subject, desk=desk, actor=actor, person_id=person_id)
            )
            if not self.attempt(story, books, HeldError, erasing.SamePersonError):
                continue
            demand(not any(one.holds for one in about), "what is held is not erased", told.id)
            said = "asked" if said == "kept" else "erased"
        return said

    def _erased(self, person_id: str | None, erased: Erased) -> None:
        vault = self.house.desk.vault
        for taken in erased.taken:
            told = self.model.records[taken.record_id]
            if taken.whole:
                self.forget(told)
                continue
            stored = self.house.write(partial(records.load, vault=vault, record_id=taken.record_id))
            if stored is None:
                raise NotFoundError
            left = {one.decode() for one in MARKER.findall(repr(stored.record).encode())}
            self.model.dead |= {one for one in told.markers if one not in left}
            told.markers = {key: value for key, value in told.markers.items() if key in left}
            told.record, told.persons, told.revision = stored.record, stored.persons, stored.revision
            told.ever.discard(str(person_id))
            self._answers_erased(told)
            self.history.discard(told.id)
        if erased.taken and person_id is not None:
            self.model.sayings[person_id] = []

    def _answers_erased(self, told: Told) -> None:
        """Of which answers about a record nothing is left."""
        left = {row[0] for row in self.house.rows("select id from questions where sealed is not null")}
        mine = [(key, one) for key, one in self.model.replies.items() if one.record_id == told.id]
        self.model.dead |= {key for key, one in mine if one.question_id not in left}

    def activate(self) -> str:
        """Counsel brings the other bundle into force, step by step; they may stop anywhere."""
        desk, name, against = self.house.desk, OTHER[self.model.bundle], bundle(self.model.bundle).digest
        other = bundle(name)
        report = GateReport(name, other.digest, (), 1)
        wish = Wish(against=against, newly_discloses=True, accepted=True)
        steps: list[Callable[[Transaction], Any]] = [
            lambda tx: governing.propose(tx, desk, COUNSEL, other),
            lambda tx: governing.record_check(tx, desk, COUNSEL, other.digest, report),
            lambda tx: governing.approve(tx, desk, COUNSEL, other.digest, wish),
            lambda tx: governing.approve(tx, desk, SECOND_COUNSEL, other.digest, wish),
        ]
        for number, step in enumerate(steps):
            if self.chance.random() < 0.07:
                self.refused(
                    lambda tx: governing.activate(tx, desk, COUNSEL, other.digest), ConflictError, NotFoundError
                )
                return f"stopped before step {number + 1}"
            self.attempt(step, _nothing, ConflictError)
        self.shelve()
        return name if self._in_force(lambda tx: governing.activate(tx, desk, COUNSEL, other.digest)) else "not now"

    def roll_back(self) -> str:
        """The bundle before returns."""
        desk = self.house.desk
        self.shelve()
        return "back" if self._in_force(lambda tx: governing.roll_back(tx, desk, COUNSEL)) else "nothing before it"

    def _in_force(self, story: Callable[[Transaction], InForce]) -> bool:
        def books(now: InForce) -> None:
            demand(now.row.name != self.model.bundle, "another comes into force", now.row.name)
            self.model.bundle = now.row.name

        return self.attempt(story, books, ConflictError)


OPERATOR_ON_CALL: Final = Actor("cal_operator", "operator")


def _nothing(_: object) -> None:
    """Nothing is to be written into the books."""
