"""Who keeps deliveries moving?

1. A worker claims what is due up to its free places, makes each attempt in a task of its own, and writes its answer.
   Answers that come within a few milliseconds are written together (`workflow/finishing.py`).
2. It keeps its leases alive while attempts run; when it dies, others take over once a lease has run out.
3. It wakes when something was committed in this process, when the next delivery falls due, and at least every second.
4. A database that does not answer is waited for, with growing pauses; nothing is sent meanwhile.
5. Told to stop, it claims nothing more and waits for the attempts in flight.
6. Beside it the chores are done (`workflow/chores.py`): what is due without anybody asking.
7. It looks for leases that ran out, and for lines to probe, a few times a second, however often it claims; of its
   places such probes take an eighth at most, so that a thousand endpoints that die at once leave room for the living.
8. And beside it pages go out to people (`workflow/pager.py`), and what is said to endpoints beside disclosures
   (`workflow/messenger.py`); it waits for those in flight too.
"""

import asyncio
from collections import Counter
from typing import Final

import structlog

from tiprouter import telemetry
from tiprouter.delivery.sender import Sender
from tiprouter.domain.lanes import Lane, Places, Room, lane_of
from tiprouter.domain.states import DeliveryState
from tiprouter.errors import UnavailableError
from tiprouter.storage import deliveries
from tiprouter.storage.database import Database, Transaction
from tiprouter.workflow.chores import CHORES, Chore
from tiprouter.workflow.dispatch import LEASE, Ready, claim
from tiprouter.workflow.finishing import Answers, until_the_database_answers
from tiprouter.workflow.happening import Desk
from tiprouter.workflow.messenger import Messenger
from tiprouter.workflow.pager import Pager

log = structlog.get_logger()

IDLE_SECONDS: Final = 1.0
SLOW_SECONDS: Final = 1.0
"""An attempt under way for so long is slow, and gives its place back (`domain/lanes.py`, rule 5)."""
LOOK_AGAIN_SECONDS: Final = 0.05
SWEEP_SECONDS: Final = 0.25
PLACES_FOR_EACH_PROBE: Final = 8


class Worker:
    """Delivers until it is stopped: at most `places` attempts at once, `each` of them to one recipient.

    `places` is how many there are, or how they are shared among the lanes.
    """

    def __init__(
        self,
        database: Database,
        desk: Desk,
        sender: Sender,
        *,
        places: int | Places = 64,
        each: int = 8,
        pager: Pager | None = None,
    ) -> None:
        self._database, self._desk, self._sender = database, desk, sender
        self._pager = pager or Pager(database, desk, {})
        self._places = Places.share(places) if isinstance(places, int) else places
        self._each = each
        self._messenger = Messenger(database, desk, sender)
        self._answers = Answers(database, desk)
        self._held: dict[asyncio.Task[None], Ready] = {}
        self._slow: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._sweep_at = 0.0
        self._swept = True

    async def run(self) -> None:
        """Work until `stop` (rules 1-5)."""
        renewing = asyncio.create_task(self._renew_leases())
        tending = asyncio.create_task(self._tend())
        paging = asyncio.create_task(self._pager.run())
        saying = asyncio.create_task(self._messenger.run())
        answering = asyncio.create_task(self._answers.run())
        try:
            while not self._stopping.is_set():
                for part in (tending, answering):
                    if part.done():
                        part.result()
                self._database.changed.clear()
                try:
                    claimed = await self._claim()
                except UnavailableError:
                    break  # told to stop while the database is away (rule 5)
                if not claimed:
                    await self._wait()
            if self._held:
                await asyncio.wait(self._held)
        finally:
            renewing.cancel()
            tending.cancel()
            answering.cancel()
            self._pager.stop()
            self._messenger.stop()
            await paging
            await saying

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping.set()
        self._database.changed.set()

    async def _claim(self) -> bool:
        """Start what can be started; whether anything was."""
        slow = Counter(_place(ready)[1] for task, ready in self._held.items() if task in self._slow)
        room = Room(self._places, self._each, Counter(map(_place, self._held.values())), slow)
        if not any(self._places.room(lane, room.taken()) for lane in Lane):
            # A second at most: some of them may be slow by then, and have given their places back.
            await asyncio.wait(self._held, timeout=SLOW_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            return True
        sweeping = self._sweeps()
        probes = self._probes() if sweeping else 0
        async for attempt in until_the_database_answers(self._stopping):
            with attempt:
                claimed = await self._database.write(
                    lambda tx: claim(tx, self._desk, room, probes=probes, sweeping=sweeping), quietly=True
                )
        for ready in claimed:
            task = asyncio.create_task(self._deliver(ready))
            self._held[task] = ready
            task.add_done_callback(self._let_go)
            asyncio.get_running_loop().call_later(SLOW_SECONDS, self._set_aside, task)
        return bool(claimed)

    def _sweeps(self) -> bool:
        """Whether it is time for what is looked for a few times a second (rule 7)."""
        now = asyncio.get_running_loop().time()
        self._swept = now >= self._sweep_at
        if self._swept:
            self._sweep_at = now + SWEEP_SECONDS
        return self._swept

    def _probes(self) -> int:
        """How many more probes may begin (rule 7); one that is slow gave its place back."""
        held = sum(ready.probes for task, ready in self._held.items() if task not in self._slow)
        return max(self._places.total // PLACES_FOR_EACH_PROBE, 1) - held

    def _set_aside(self, task: asyncio.Task[None]) -> None:
        if task in self._held:
            self._slow.add(task)
            self._database.changed.set()

    def _let_go(self, task: asyncio.Task[None]) -> None:
        ready = self._held.pop(task)
        self._slow.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its lease runs out, and it is made again.
            log.error("attempt.unfinished", delivery=ready.delivery_id, error=type(error).__name__)
        self._database.changed.set()

    async def _deliver(self, ready: Ready) -> None:
        lane = _place(ready)[1].value
        with telemetry.span("attempt", lane=lane):
            attempted = await self._sender.send(ready.envelope)
        telemetry.attempted(
            lane, ready.attempt.kind.value, attempted.result.value, attempted.status, attempted.duration_ms / 1_000
        )
        # If we were to crash here, the attempt's end would be unknown: its lease runs out and it is made again, under
        # the same webhook-id.
        state = await self._answers.write(ready, attempted)
        if state is DeliveryState.DELIVERED:
            now = self._desk.now()
            telemetry.delivered(lane, (now - ready.made_at).total_seconds(), (ready.deadline - now).total_seconds())
        log.info(
            "attempt.finished",
            delivery=ready.delivery_id,
            recipient=ready.recipient_id,
            number=ready.attempt.number,
            result=attempted.result.value,
            status=attempted.status,
            state=state.value,
        )

    async def _renew_leases(self) -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            if self._held:
                try:
                    await self._database.write(self._renew, quietly=True)
                except UnavailableError as error:
                    log.warning("lease.renewal", error=type(error).__name__)

    def _renew(self, tx: Transaction) -> None:
        deliveries.renew(tx, [ready.lease for ready in tuple(self._held.values())], self._desk.now() + LEASE)

    async def _tend(self) -> None:
        """Rule 6. What keeps it from ending is cancelled; what ends it ends the worker."""
        while True:
            for chore in CHORES:
                await self._do(chore)
            await asyncio.sleep(IDLE_SECONDS)

    async def _do(self, chore: Chore) -> None:
        try:
            while await self._database.write(lambda tx: chore(tx, self._desk), quietly=True):
                self._database.changed.set()
        except UnavailableError as error:
            log.warning("chore", chore=chore.__name__, error=type(error).__name__)

    async def _wait(self) -> None:
        """Until something was committed, something falls due, or a second has passed (rule 3)."""
        try:
            due = await self._database.read(deliveries.next_due_at)
        except UnavailableError:
            due = None  # rule 4: the next claim waits for it
        seconds = IDLE_SECONDS if due is None else (due - self._desk.now()).total_seconds()
        # What is due but waits for its matter, or for its recipient, is looked at again shortly, not at once.
        seconds = min(max(seconds, LOOK_AGAIN_SECONDS), IDLE_SECONDS if self._swept else SWEEP_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                await self._database.changed.wait()
        except TimeoutError:
            return


def _place(ready: Ready) -> tuple[str, Lane]:
    return ready.recipient_id, lane_of(ready.urgency, ready.attempt.number - 1)
