"""What is a history, and what must hold at its end?

1. A history is a list of steps, each a name and a number from which everything random in it follows: the same list is
   the same history.
2. At any time things may be let settle: agencies that pull do so, the network answers, the chores are done. Then
   nothing that may leave is missing: a disclosure of it stands, and was delivered, or ended with a notice.
3. Then every report that the rules ask for has its duty, and whatever is past its deadline was told.
4. At the end everything settles, and an outsider verifies the whole log.
5. Whenever the chores found nothing more to do, everything is decided: nothing allowed is missing, whatever its
   delivery does; and the duties of what will not arrive went on. What an agency was told of a tip before it, or the
   bundle, became another may be more or less than it would be told now; and what reached somebody, and nobody consents
   to have told further, need not be told to whoever comes later. Nothing else may be missing.
6. Each history leans toward some steps and away from others, so that what needs several of a kind is reached ("swarm
   testing", Groce and others, ISSTA 2012).
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from tests.machine.content import demand
from tests.machine.edges import Edges
from tests.machine.house import House
from tests.machine.machine import SUCCESS, Signals, claiming
from tests.machine.model import Told
from tests.machine.people import People
from tests.machine.recovering import Recoveries
from tests.machine.staff import Desks
from tiprouter.domain.states import TERMINAL, DeliveryState, DutyPhase
from tiprouter.domain.vocabulary import Basis, Outcome
from tiprouter.storage import deliveries
from tiprouter.workflow.chores import CHORES
from tiprouter.workflow.revisit import look_through, revisit

ROUNDS_MAX: Final = 60
ENDED: Final = frozenset({DeliveryState.DELIVERED, DeliveryState.EXHAUSTED, DeliveryState.REFUSED})
REPORTS: Final = (Outcome.REPORT, Outcome.DUTY_BLOCKED)

DRAWN: Final = tuple(one for one in CHORES if one is not look_through)
"""What a step draws from: the two that decide again are one."""

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""What the database counts microseconds from."""

Step = tuple[str, int]
WEIGHTS: Final = {
    "tip": 7,
    "case": 9,
    "grant": 14,
    "confirm": 8,
    "refuse": 3,
    "withdraw": 7,
    "narrow": 4,
    "register": 2,
    "change": 5,
    "claim": 16,
    "finish": 14,
    "die": 2,
    "late": 4,
    "time": 9,
    "chores": 5,
    "poll": 2,
    "fetch": 5,
    "acknowledge": 4,
    "review": 5,
    "call": 3,
    "heed": 1,
    "subject_notice": 2,
    "hold": 1,
    "erase": 2,
    "activate": 1,
    "roll_back": 1,
    "sequence": 6,
    "settle": 1,
    "brink": 8,
    "hasten": 6,
    "gone": 3,
    "endpoint": 2,
    "comes_late": 5,
    "answer": 6,
    "retry": 3,
    "replay": 4,
}


class Machine(Signals, Edges, People, Desks, Recoveries):
    """One history of the whole service."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.proposals = {}

    def sequence(self) -> str:
        """The sequencer publishes."""
        return "published" if self.keeper.sequence() else "nothing new"

    def chores(self) -> str:
        """What is due without anybody asking is done: one chore's part of it, or all of it, and nothing is missing."""
        done = self._any_chore() if self.chance.random() < 0.5 else self.everything_due()
        return "something" if done else "nothing due"

    def _any_chore(self) -> int:
        drawn = self.chance.choice(DRAWN)
        return self.chore(drawn) or (self.chore(look_through) if drawn is revisit else 0)

    def everything_due(self) -> int:
        """The chores, until nothing is due (rule 5)."""
        done = 0
        for chore in CHORES:
            while some := self.chore(chore):
                done += some
        # What a chore found may have made something due for one before it.
        for deciding in (revisit, look_through):
            while some := self.chore(deciding):
                done += some
        standing = self._standing_now()
        for told in self._asked_for():
            for agency_id in self.model.agencies:
                self._may_and_did(told, agency_id, standing.get((told.id, agency_id)))
        self._passed_on()
        return done

    def settle(self) -> str:
        """Everything that can happen by itself happens (rules 2, 3)."""
        for ready in self.flying:
            self.finished(ready, SUCCESS)
        self.flying, self.lost = [], []
        self.pass_time(timedelta(seconds=31))
        pause = timedelta(seconds=1)
        for _ in range(ROUNDS_MAX):
            if self._round():
                continue
            waits = self.house.write(deliveries.next_due_at)
            if waits is None and not self._unended():
                break
            if waits is None:
                # Kept for an agency whose endpoint is gone: it ends when trying does, and a human is told.
                self.pass_time(timedelta(hours=25))
                continue
            # What is due and not taken waits for something else: an earlier one, an agency that is left in peace.
            self.pass_time(max(waits - self.model.now, pause))
            pause *= 2
        else:
            demand(holds=False, promise="what waits comes to an end")
        self._nothing_missing()
        return "settled"

    def end(self) -> None:
        """The history's end (rule 4)."""
        self.settle()
        self.keeper.verify()

    def _unended(self) -> bool:
        return any(DeliveryState(row[1]) not in TERMINAL for row in self.watch.tables["deliveries"].values())

    def _round(self) -> bool:
        """One round of everything; whether anything was done."""
        desk, busy = self.house.desk, False
        for chore in CHORES:
            while self.chore(chore):
                busy = True
        for ready in self.tell(claiming(desk, 200, 200)):
            busy = True
            self.handed(ready)
            self.flying.pop()
            self.finished(ready, SUCCESS)
        for row in list(self.watch.tables["deliveries"].values()):
            agency = self.model.agencies[row[4]]
            pulls = agency.url is None or row[1] == DeliveryState.ANNOUNCED
            if pulls and row[1] in (DeliveryState.QUEUED, DeliveryState.RETRYING, DeliveryState.ANNOUNCED):
                fetched = self.taken(agency, row[0])
                if fetched is not None:
                    busy = True
                    self.handed_over(fetched)
        return busy

    def _nothing_missing(self) -> None:
        tables = self.watch.tables
        states = {row[2]: (row[0], DeliveryState(row[1])) for row in tables["deliveries"].values()}
        standing = self._standing_now()
        for told in self._asked_for():
            for agency_id in self.model.agencies:
                key = standing.get((told.id, agency_id))
                self._may_and_did(told, agency_id, key)
                if key is not None:
                    delivery, state = states[key]
                    waits = state is DeliveryState.QUEUED and self.model.agencies[agency_id].status == "suspended"
                    demand(
                        state in ENDED or waits, "what stands was delivered, or ended with a notice", delivery, state
                    )
                if told.id not in self.history:
                    self._duties(told, agency_id)
        for key, row in tables["duties"].items():
            late = row[8] and row[1] == DutyPhase.OPEN and self._moment(row[9]) <= self.model.now
            demand(not late, "what is past its deadline was told", key)
        self._passed_on()
        running = [key for key, row in tables["replays"].items() if row[1] == "running"]
        demand(not running, "a replay comes to its end", running)
        for key, row in tables["questions"].items():
            if row[1] == "answered" and tables["disclosures"][row[4]][1]:
                state = states[row[4]][1]
                suspended = self.model.agencies[row[3]].status == "suspended"
                demand(state in ENDED or suspended, "an answer that stands was delivered, or ended with a notice", key)

    def _passed_on(self) -> None:
        """Rule 5: what is still owed toward an agency that was not reached went on to others."""
        duties, stranded = self.watch.tables["duties"], self.watch.stranded
        owed = {key for key in stranded if duties[key][1] == DutyPhase.OPEN and duties[key][8]}
        demand(not owed, "what will not arrive lets its duties go on", sorted(owed))

    def _standing_now(self) -> dict[tuple[str, str], str]:
        """The disclosure that stands about a record, to an agency; answers to questions left out."""
        rows = self.watch.tables["disclosures"].items()
        return {(row[3], row[4]): key for key, row in rows if row[1] and not row[2] and not row[5]}

    def _asked_for(self) -> list[Told]:
        """The records of which nothing allowed may be missing."""
        return [told for told in self.open_records() if not told.closed]

    def _may_and_did(self, told: Told, agency_id: str, disclosure_id: str | None) -> None:
        may = self.model.payload(told.id, agency_id, strictly=True)
        if disclosure_id is None:
            missing = may is not None and not self._history_to(told, agency_id)
            demand(not missing, "nothing allowed is missing", told.id, agency_id, may)
        elif told.id not in self.history or not self._ended(disclosure_id):
            content = self.watch.contents[disclosure_id]
            self.watch.permitted(content, told.id, agency_id, "what stands is what may leave")
            self.watch.outcomes["found delivered or ended at rest"] += 1

    def _history_to(self, told: Told, agency_id: str) -> bool:
        """Whether a tip need not be told to whoever came later: it reached somebody, and nobody asks for more."""
        reached = any(row[3] == told.id for row in self.watch.tables["deliveries"].values())
        asked = [one.facts.basis for one in self.model.ruled(told.id, agency_id, strictly=True).values()]
        return told.id in self.history and reached and Basis.CONSENT not in asked

    def _ended(self, disclosure_id: str) -> bool:
        rows = self.watch.tables["deliveries"].values()
        return any(row[2] == disclosure_id and DeliveryState(row[1]) in TERMINAL for row in rows)

    def _duties(self, told: Told, agency_id: str) -> None:
        owed = {
            (row[3], row[4])
            for row in self.watch.tables["duties"].values()
            if row[2] == told.id and row[8] and row[1] != DutyPhase.LIFTED
        }
        refs = dict(zip((one.ref for one in told.record.persons), told.persons, strict=True))
        for ref, ruled in self.model.ruled(told.id, agency_id, strictly=True).items():
            if ruled.outcome in REPORTS:
                demand((refs[ref], agency_id) in owed, "every report owed has its duty", told.id, agency_id)
                self.watch.outcomes["duties found at rest"] += 1

    def _moment(self, stored: int) -> datetime:
        return BEGINNING + timedelta(microseconds=stored)


NAMES: Final = tuple(WEIGHTS)
LIKELY: Final = tuple(WEIGHTS.values())
ALWAYS: Final = frozenset({"case", "tip", "grant", "claim", "finish"})
LEANINGS: Final = (0.2, 1, 1, 4)
TOWARD: Final = 6


def leaning(chance: Random, toward: Collection[str] = ()) -> tuple[float, ...]:
    """How likely each step is in one history: some it takes often, others hardly (rule 6), or those named above all."""
    if toward:
        return tuple(weight * (TOWARD if name in toward else 1) for name, weight in WEIGHTS.items())
    if chance.random() < 0.3:
        return LIKELY
    return tuple(
        max(weight * chance.choice(LEANINGS), weight if name in ALWAYS else 0) for name, weight in WEIGHTS.items()
    )


def choose(machine: Machine, chance: Random, likely: Sequence[float] = LIKELY) -> Step:
    """Take some step that does something; which one it was."""
    while True:
        name = chance.choices(NAMES, likely)[0]
        seed = chance.getrandbits(32)
        if machine.step(name, seed) is not None:
            return name, seed


def begin(house: House, seed: str) -> Machine:
    """A new history."""
    house.renew(seed)
    return Machine(house)
