"""Which steps may a history take?

1. A step is a method named in `WEIGHTS`; it chooses everything by the random numbers it is given, tells one or a few
   stories, writes the books and looks at what changed after each (`watch.py`). It says in a word what it did.
2. A step that finds nothing to do says None: whoever drives takes another instead, so no step is an empty one.
3. What a story refuses must be what the books refuse: an error that no rule expects is a violation.
4. A request that was handed to the network may end in any way, at any later step, or never: then its worker is dead,
   its lease runs out, and its answer may still come.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Final, TypeVar

from tests.machine.content import demand
from tests.machine.house import RETAINED, House
from tests.machine.log import LogKeeper
from tests.machine.model import Model, Told
from tests.machine.telling import Teller
from tests.machine.watch import Watch
from tests.support.endpoints import change_by_two
from tests.support.fictional import agency as fictional_agency
from tests.support.service import INTAKE, OPERATOR, START, bundle
from tiprouter.delivery.attempts import Attempted, AttemptResult
from tiprouter.domain.lanes import Places, Room
from tiprouter.domain.recipient import DeliveryMode, Recipient, RecipientStatus
from tiprouter.domain.states import TERMINAL, DeliveryState
from tiprouter.domain.vocabulary import CaseStatus, RecipientKind, RecordKind
from tiprouter.errors import ConflictError
from tiprouter.storage import deliveries
from tiprouter.storage.database import Transaction
from tiprouter.workflow import dispatch, enrolment, intake
from tiprouter.workflow.chores import Chore
from tiprouter.workflow.dispatch import Ready
from tiprouter.workflow.endpoint_changes import ChangeWaitsError
from tiprouter.workflow.erasing import erase_aged
from tiprouter.workflow.happening import Desk

T = TypeVar("T")
RECORDS_MAX: Final = 3
AGENCIES_MAX: Final = 5
ANSWERS: Final = (
    (Attempted(AttemptResult.SUCCESS, 200, None, 5, "203.0.113.9", b"ok"), 10),
    (Attempted(AttemptResult.HTTP_ERROR, 500, None, 5, "203.0.113.9", b"no"), 2),
    (Attempted(AttemptResult.GONE, 410, None, 5, "203.0.113.9", b""), 1),
    (Attempted(AttemptResult.THROTTLED, 429, 30, 5, "203.0.113.9", b""), 2),
    (Attempted(AttemptResult.TIMEOUT, None, None, 15_000, "203.0.113.9", b""), 2),
)
CLAIMABLE: Final = (DeliveryState.QUEUED, DeliveryState.RETRYING, DeliveryState.CLAIMED)
SPANS: Final = (("seconds", 6), ("a lease", 5), ("minutes", 6), ("hours", 4), ("days", 3), ("months", 1))
SUCCESS: Final = ANSWERS[0][0]


def claiming(desk: Desk, limit: int, each: int) -> Callable[[Transaction], list[Ready]]:
    """The story of one worker's claim."""
    return lambda tx: dispatch.claim(tx, desk, Room(Places(limit, {}), each))


@dataclass
class Basics:
    """One history: the house, its books, and the network between."""

    house: House
    model: Model = field(init=False)
    watch: Watch = field(init=False)
    keeper: LogKeeper = field(init=False)
    teller: Teller = field(default_factory=Teller)
    flying: list[Ready] = field(default_factory=list)
    lost: list[Ready] = field(default_factory=list)
    history: set[str] = field(default_factory=set)
    done: Counter[str] = field(default_factory=Counter)
    chance: Random = field(default_factory=Random)
    stepping: tuple[str, int] = ("end", 0)
    idle: dict[Chore, tuple[int, datetime]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        house = self.house
        self.model = Model(
            protocols={name: bundle(name).protocol for name in ("survivor-led", "tip-sharing")},
            bundle="survivor-led",
            now=house.clock.at,
            agencies={one.id: one for one in house.agencies},
        )
        self.watch = Watch(house, self.model)
        self.watch.begin()
        self.watch.outcomes["decisions"] = house.rows("select count(*) from decisions")[0][0]
        self.keeper = LogKeeper(house, self.watch)

    def step(self, name: str, seed: int) -> str | None:
        """Take one step (rules 1, 2)."""
        self.stepping = (name, seed)
        self.chance = Random(seed)  # noqa: S311 - what is random here must be so again
        self.pass_time(timedelta(milliseconds=self.chance.choice((0, 1, 1, 500, 2_000))))
        said: str | None = getattr(self, name)()
        if said is not None:
            self.done[f"{name}: {said}"] += 1
        self.stepping = ("end", 0)
        return said

    def tell(self, story: Callable[[Transaction], T], books: Callable[[T], None] | None = None) -> T:
        """Tell a story, write the books, and look at what changed."""
        told = self.house.write(story)
        if books is not None:
            books(told)
        self.watch.after()
        if books is not None:
            self.model.age_answers()
        return told

    def refused(self, story: Callable[[Transaction], Any], *errors: type[Exception]) -> None:
        """Tell a story that must be refused, and leave nothing."""
        try:
            self.house.write(story)
        except errors:
            self.watch.after()
            return
        demand(holds=False, promise="this is refused")

    def attempt(self, story: Callable[[Transaction], T], books: Callable[[T], None], *errors: type[Exception]) -> bool:
        """Tell a story that may be refused for reasons the books do not keep; whether it was told."""
        try:
            self.tell(story, books)
        except errors:
            self.watch.after()
            return False
        return True

    def pass_time(self, span: timedelta) -> None:
        """Let time pass for everybody."""
        self.house.clock.at += span
        self.model.now = self.house.clock.at
        self.model.age_answers()

    def chore(self, chore: Chore) -> int:
        """One chore's part of what is due. What found nothing finds nothing until a row or the moment is another."""
        moment = (self.house.changes(), self.model.now)
        if self.idle.get(chore) == moment:
            return 0
        desk = self.house.desk
        done = self.tell(lambda tx: chore(tx, desk), self._retained if chore is erase_aged else None)
        if not done:
            self.idle[chore] = (self.house.changes(), self.model.now)
        return done

    def _retained(self, looked: int) -> None:
        """What was closed long enough ago is erased by itself, and nothing that must be kept."""
        gone = self.house.rows("select id from records where erased_at is not null") if looked else []
        was = self.watch.tables
        for told in [self.model.records[row[0]] for row in gone if not self.model.records[row[0]].erased]:
            shares = [one for one in self.open_records() if told.ever & one.ever]
            demand(not any(one.holds for one in shares), "what is held is kept", told.id)
            demand(told.closed or told.record.kind is RecordKind.TIP, "what is open is kept", told.id)
            demand(self.model.now >= told.since + RETAINED, "what is closed is kept for a while", told.id)
            under_way = [row for row in was["deliveries"].values() if row[3] == told.id]
            demand(all(DeliveryState(row[1]) in TERMINAL for row in under_way), "what is sent is kept", told.id)
            owed = [row for row in was["duties"].values() if row[2] == told.id and row[8]]
            demand(not any(row[1] in ("open", "overdue") for row in owed), "what is owed is kept", told.id)
            self.forget(told)
            self.watch.outcomes["erased by age"] += 1

    def forget(self, told: Told) -> None:
        """A record is erased as a whole, and with it what persons said whom no other one names."""
        self.model.dead |= told.markers.keys()
        self.model.dead |= {key for key, one in self.model.replies.items() if one.record_id == told.id}
        told.erased = True
        for who in told.ever:
            if not any(who in one.ever for one in self.open_records()):
                self.model.sayings[who] = []

    def open_records(self) -> list[Told]:
        """The records that were not erased, oldest first."""
        return [one for one in self.model.records.values() if not one.erased]

    def any_agency(self) -> Recipient:
        """Some agency."""
        return self.chance.choice(list(self.model.agencies.values()))

    def shelve(self) -> None:
        """A bundle changes, or an agency comes or changes: what of a tip is with somebody may be history from now on.

        What an agency holds may be more or less than it would be told now, and `Machine._history_to` says what need not
        be told to whoever comes later. Whatever else may be told and is not is missing all the same.
        """
        self.history |= {told.id for told in self.open_records() if told.record.kind is RecordKind.TIP}


class Signals(Basics):
    """What the hotline tells, and time."""

    def tip(self) -> str | None:
        """A tip arrives; sometimes the same one again."""
        if len(self.model.records) >= RECORDS_MAX:
            return None
        external = f"T-{len(self.model.records)}"
        record, markers = self.teller.record(
            self.chance, self.model.now, RecordKind.TIP, external, list(self.model.agencies)
        )
        desk = self.house.desk
        self.tell(lambda tx: intake.accept_tip(tx, desk, INTAKE, record), partial(self._booked, markers))
        if self.chance.random() < 0.1:
            self.refused(lambda tx: intake.accept_tip(tx, desk, INTAKE, record), intake.DuplicateError)
            return "twice"
        return "accepted"

    def case(self) -> str | None:
        """A case is recorded, or revised as a whole: other persons, other words; or it is closed."""
        cases = [one for one in self.open_records() if one.record.kind is RecordKind.CASE]
        room = len(self.model.records) < RECORDS_MAX
        if not room and not cases:
            return None
        old = self.chance.choice(cases) if cases and (not room or self.chance.random() < 0.7) else None
        external = f"C-{len(self.model.records)}" if old is None else old.record.external_id
        record, markers = self.teller.record(
            self.chance, self.model.now, RecordKind.CASE, external, list(self.model.agencies)
        )
        if old is not None and self.chance.random() < 0.15:
            record = replace(record, status=CaseStatus.CLOSED)
        desk, expected = self.house.desk, None if old is None else old.revision
        if old is not None and self.chance.random() < 0.1:
            self.refused(lambda tx: intake.put_case(tx, desk, INTAKE, record, old.revision + 1), ConflictError)
            return "stale"
        self.tell(lambda tx: intake.put_case(tx, desk, INTAKE, record, expected), partial(self._booked, markers))
        return "recorded" if old is None else ("closed" if record.status is CaseStatus.CLOSED else "revised")

    def _booked(self, markers: dict[str, Any], accepted: intake.Accepted) -> None:
        stored = accepted.stored
        told = self.model.records.get(stored.id)
        if told is None:
            told = Told(stored.id, stored.record, stored.persons, stored.revision, markers, self.model.now)
            self.model.records[stored.id] = told
        told.record, told.persons, told.revision, told.markers = (
            stored.record,
            stored.persons,
            stored.revision,
            markers,
        )
        told.since = self.model.now
        told.closed = stored.record.status is CaseStatus.CLOSED
        told.ever.update(stored.persons)
        self.history.discard(stored.id)

    def time(self) -> str:
        """Time passes: workers that are alive keep their leases for seconds, none for longer."""
        words, weights = zip(*SPANS, strict=True)
        word = self.chance.choices(words, weights)[0]
        span = {
            "seconds": timedelta(seconds=self.chance.randint(1, 4)),
            "a lease": timedelta(seconds=self.chance.randint(5, 40)),
            "minutes": timedelta(minutes=self.chance.randint(1, 59)),
            "hours": timedelta(hours=self.chance.randint(1, 30)),
            "days": timedelta(days=self.chance.randint(1, 12)),
            "months": timedelta(days=self.chance.randint(20, 150)),
        }[word]
        if word == "seconds":
            until = self.model.now + span + timedelta(seconds=5)
            self.tell(lambda tx: deliveries.renew(tx, [ready.lease for ready in self.flying], until))
        else:
            self.lost += self.flying
            self.flying = []
        self.pass_time(span)
        return str(word)


class Agencies(Basics):
    """Who is registered, and how that changes."""

    def register(self) -> str | None:
        """An agency comes."""
        if len(self.model.agencies) >= AGENCIES_MAX:
            return None
        # One that somebody's consent waits for, as often as any other.
        hoped = [kind for some in self.model.sayings.values() for one in some if one.grant for kind in one.extent.kinds]
        kinds = sorted(hoped) if hoped and self.chance.random() < 0.6 else list(RecipientKind)
        wanted = self._varied(fictional_agency(self.chance.choice(kinds), self._place()))
        self.registered(wanted)
        return wanted.kind.value

    def registered(self, wanted: Recipient) -> None:
        """An agency is registered so."""
        desk = self.house.desk

        def booked(enrolled: enrolment.Enrolled) -> None:
            self.model.agencies[enrolled.recipient.id] = enrolled.recipient

        self.shelve()
        self.tell(lambda tx: enrolment.register(tx, desk, OPERATOR, wanted), booked)

    def change(self) -> str:
        """An agency changes: suspended, of another kind or place, without agreement, with another way of delivery."""
        old, desk = self.any_agency(), self.house.desk
        wanted = self._varied(old)
        if self.chance.random() < 0.2:
            wanted = replace(wanted, kind=self.chance.choice(tuple(RecipientKind)), jurisdictions=(self._place(),))
        if self.chance.random() < 0.05:
            self.refused(lambda tx: enrolment.change(tx, desk, OPERATOR, wanted, old.revision + 1), ConflictError)
            return "stale"
        if not self.changed_to(old, wanted):
            return "waits for a second person"
        return f"{wanted.status.value} {wanted.delivery_mode.value}"

    def changed_to(self, old: Recipient, wanted: Recipient) -> bool:
        """An agency is this from now on, by as many persons as that takes; or another change of it waits."""
        desk = self.house.desk
        self.shelve()

        def booked(changed: Recipient) -> None:
            self.model.agencies[old.id] = changed

        story = partial(change_by_two, desk=desk, wanted=wanted, expected=old.revision)
        return self.attempt(story, booked, ChangeWaitsError)

    def _place(self) -> str:
        return self.chance.choice(("US-TX", "US-TX", "US-TX", "US-CA", "US"))

    def _varied(self, one: Recipient) -> Recipient:
        mode = self.chance.choices(tuple(DeliveryMode), (5, 2, 2))[0]
        until = self.chance.choices((None, timedelta(days=1), timedelta(days=30), timedelta(days=900)), (1, 1, 2, 4))[0]
        suspended = self.chance.random() < 0.2
        return replace(
            one,
            status=RecipientStatus.SUSPENDED if suspended else RecipientStatus.ACTIVE,
            agreement_until=None if until is None else START + until,
            delivery_mode=mode,
            url=None if mode is DeliveryMode.PULL else "https://agency.example/hook",
        )


class Network(Basics):
    """What workers claim and send, and how it ends."""

    def claim(self) -> str | None:
        """A worker claims what is due and hands it to the network."""
        if not any(row[1] in CLAIMABLE for row in self.watch.tables["deliveries"].values()):
            return None
        desk, limit, each = self.house.desk, self.chance.choice((1, 3, 50)), self.chance.choice((1, 50))
        ready = self.tell(claiming(desk, limit, each))
        for one in ready:
            self.handed(one)
        return "sent" if ready else "nothing due"

    def handed(self, ready: Ready) -> None:
        """What a claim gave is handed to the network."""
        envelope = ready.envelope
        row = self.watch.tables["deliveries"][ready.delivery_id]
        agency = self.model.agencies[ready.recipient_id]
        thin = agency.delivery_mode is DeliveryMode.THIN
        demand(agency.url is not None, "who only pulls is sent nothing", agency.id)
        demand(envelope.url == agency.url, "it goes where two persons said", envelope.url, agency.url)
        known = f"ann_{ready.delivery_id[4:]}" if thin else ready.delivery_id
        demand(envelope.webhook_id == known, "one webhook-id for good", envelope.webhook_id, known)
        demand((row[3], row[4]) == (ready.record_id, ready.recipient_id), "to whom it was made for", ready.delivery_id)
        body = envelope.body.body
        self.watch.leaving(body, ready.record_id, ready.recipient_id)
        demand((b'"disclosure.available"' in body) == thin, "in the agency's own way", agency.delivery_mode)
        self.flying.append(ready)
        self.watch.outcomes["requests handed to the network"] += 1

    def finish(self) -> str | None:
        """An answer comes."""
        if not self.flying:
            return None
        ready = self.flying.pop(self.chance.randrange(len(self.flying)))
        return self._finished(ready)

    def die(self) -> str | None:
        """A worker dies with what it holds."""
        if not self.flying:
            return None
        self.lost += self.flying
        self.flying = []
        return "died"

    def late(self) -> str | None:
        """The answer to a request of a dead worker comes after all."""
        if not self.lost:
            return None
        ready = self.lost.pop(self.chance.randrange(len(self.lost)))
        return self._finished(ready)

    def _finished(self, ready: Ready) -> str:
        answers, weights = [one for one, _ in ANSWERS], [weight for _, weight in ANSWERS]
        return self.finished(ready, self.chance.choices(answers, weights)[0])

    def finished(self, ready: Ready, answer: Attempted) -> str:
        """An attempt ends; whoever lost the lease changes nothing but the attempt."""
        before, desk = self.watch.tables["deliveries"][ready.delivery_id], self.house.desk
        state = self.tell(lambda tx: dispatch.finish(tx, desk, ready, answer))
        after = self.watch.tables["deliveries"][ready.delivery_id]
        if before[6] != ready.lease:
            demand(before == after, "a lost lease changes nothing", before, after)
            return f"{answer.result.value} too late"
        demand(after[6] is None and after[1] == state.value, "who finished lets go", after)
        if before[1] == "cancelled":
            demand(after[1] == "cancelled", "cancelling wins", after)
            return f"{answer.result.value} after a cancellation"
        return answer.result.value
