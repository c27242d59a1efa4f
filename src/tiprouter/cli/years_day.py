"""How is one day of invented years told to a service?

1. The service's clock goes as ever while a day is worked on, and at the day's end jumps to the next one. A day's
   signals come all at once: that is the load, speeded up as far as the machine goes.
2. What is due without anybody asking is done at the end of each day, of every chore at most `CHORE_STEPS` steps. Nobody
   reviews here, so that what waits for a human repeats itself for years; chores that had more to do are counted as
   `chores left`.
3. It is told by the real stories: tips, cases and their revisions, consents and withdrawals as the edge tells them; the
   worker signs and sends to a sink over HTTP; agencies acknowledge; the sequencer grows the log. A tip of an earlier
   sitting is found by its name. HTTP on the way in is not in it: `bench intake` has what the edge costs a tip.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeVar

from tiprouter.cli import national
from tiprouter.cli.bench_house import BENCH
from tiprouter.cli.national import CaseSent, Day, Shape
from tiprouter.cli.years_kept import Played
from tiprouter.domain.consent import Consent
from tiprouter.domain.record import Record
from tiprouter.domain.vocabulary import AcknowledgementStatus, RecordKind, Role
from tiprouter.storage import records
from tiprouter.storage.acknowledgements import Words
from tiprouter.storage.database import Transaction
from tiprouter.wiring import House
from tiprouter.workflow import acknowledging, consenting, intake
from tiprouter.workflow.chores import CHORES, Chore
from tiprouter.workflow.consenting import Given, Whose
from tiprouter.workflow.happening import Actor, Desk
from tiprouter.workflow.publish import Sequencer
from tiprouter.workflow.worker import Worker

T = TypeVar("T")
S = TypeVar("S")

CALLERS: Final = 32
CHORE_STEPS: Final = 20
PATIENCE_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.02
_WAITING: Final = "SELECT 1 FROM deliveries WHERE state IN ('queued', 'claimed', 'retrying') LIMIT 1"
_ARRIVED: Final = "SELECT disclosure_id, recipient_id FROM deliveries WHERE state = 'delivered' AND id > $1 ORDER BY id"
_LAST: Final = "SELECT coalesce(max(id), '') FROM deliveries"


@dataclass(slots=True)
class Moving:
    """The service's clock (rule 1): what it last jumped to, and what has passed since."""

    at: datetime
    since: float = field(default_factory=time.monotonic)

    def __call__(self) -> datetime:
        """This moment."""
        return self.at + timedelta(seconds=time.monotonic() - self.since)

    def jump(self, to: datetime) -> None:
        """To the next day; never back."""
        self.at, self.since = max(to, self()), time.monotonic()


class Unhurried(Worker):
    """A worker whose chores are done at the end of each day by whoever plays it (rule 2)."""

    async def _tend(self) -> None:
        await asyncio.Event().wait()


class Hotline:
    """Plays days against a house."""

    def __init__(self, house: House, clock: Moving, played: Played, log: Sequencer) -> None:
        self._house, self.clock, self._log, self.played = house, clock, log, played

    async def play(self, day: Day, shape: Shape) -> None:
        """One day, all of it (rules 1-3)."""
        spent = time.process_time()
        self.clock.jump(day.at)
        last: str = await self._house.database.read(lambda tx: str(tx.exec_driver_sql(_LAST).scalar_one()))
        with self.played.part("accept and decide"):
            await self._all(self._withdraw, day.withdrawals)
            self.played.consents.clear()
            await self._all(self._tip, day.tips)
            await self._all(self._case, day.cases)
            await self._all(self._consent, day.consents)
        with self.played.part("deliver"):
            await self._delivered()
        with self.played.part("acknowledge"):
            arrived: list[tuple[str, str]] = await self._house.database.read(
                lambda tx: [(row[0], row[1]) for row in tx.exec_driver_sql(_ARRIVED, (last,))]
            )
            await self._all(self._acknowledge, arrived[: round(len(arrived) * shape.acknowledged_share)])
        with self.played.part("chores"):
            await self._chores()
        with self.played.part("deliver"):
            await self._delivered()
        with self.played.part("log"):
            await self._log.drain()
        self.played.days.append((len(day.tips), time.process_time() - spent))
        self.played.counts["days"] += 1
        self.played.counts["signals"] += len(day.tips)

    async def _all(self, tell: Callable[[S], Awaitable[None]], some: Sequence[S]) -> None:
        turns = iter(some)

        async def caller() -> None:
            for one in turns:
                await tell(one)

        await asyncio.gather(*(caller() for _ in range(min(CALLERS, len(some)))))

    async def _told(self, story: Callable[[Transaction], T]) -> T:
        return await self._house.database.write(story)

    async def _tip(self, record: Record) -> None:
        desk = self._house.desk
        done = await self._told(lambda tx: intake.accept_tip(tx, desk, BENCH, record))
        self.played.tips[record.external_id] = done.stored.id

    async def _case(self, case: CaseSent) -> None:
        desk, record = self._house.desk, replace(case.record, tips=tuple([await self._id(name) for name in case.tips]))
        await self._told(lambda tx: intake.put_case(tx, desk, BENCH, record, case.expected))
        self.played.counts["cases" if case.expected is None else "revisions"] += 1
        if case.expected is None:
            found = [one for one in record.persons if one.role is Role.POTENTIAL_VICTIM]
            self.played.counts["persons of cases"] += len(found)

    async def _id(self, name: str) -> str:
        """The id of a tip; the service has those that were told in an earlier sitting (rule 3)."""
        if name not in self.played.tips:
            index = self._house.desk.blind(national.SOURCE, name)
            found = await self._house.database.read(lambda tx: records.find(tx, RecordKind.TIP, index))
            assert found is not None  # noqa: S101 - a case's tips were told before it
            self.played.tips[name] = found
        return self.played.tips[name]

    async def _consent(self, said: tuple[str, Consent]) -> None:
        desk, whose = self._house.desk, Whose(source=national.SOURCE, ref=said[0])
        given: Given = await self._told(lambda tx: consenting.give_consent(tx, desk, BENCH, whose, said[1]))
        self.played.consents[said[0]] = given.consent.id
        self.played.counts["consents"] += 1

    async def _withdraw(self, ref: str) -> None:
        desk, name = self._house.desk, self.played.consents[ref]
        await self._told(lambda tx: consenting.withdraw(tx, desk, BENCH, name, None))
        self.played.counts["withdrawals"] += 1

    async def _acknowledge(self, arrived: tuple[str, str]) -> None:
        desk, agency = self._house.desk, Actor("benchmark-agency", "agency", arrived[1])
        accepted, words = AcknowledgementStatus.ACCEPTED, Words(case_number="EXAMPLE-1")
        await self._told(lambda tx: acknowledging.acknowledge(tx, desk, agency, arrived[0], accepted, words))
        self.played.counts["acknowledgements"] += 1

    async def _delivered(self) -> None:
        """Wait until nothing is on its way, so long and no longer; what is left is counted at the end."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while await self._house.database.read(lambda tx: tx.exec_driver_sql(_WAITING).first()) is not None:
            if time.monotonic() > ends:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _chores(self) -> None:
        """Rule 2."""
        for chore in CHORES:
            for step in range(CHORE_STEPS):
                did = await self._house.database.write(partial(_done, chore, self._house.desk), quietly=True)
                self.played.counts["chores"] += did
                if not did:
                    break
                self.played.counts["chores left"] += step == CHORE_STEPS - 1


def _done(chore: Chore, desk: Desk, tx: Transaction) -> int:
    """A step of a chore: how much it did."""
    return chore(tx, desk)
