"""Who keeps deliveries moving?

1. A worker claims what is due up to its free places, makes each attempt in a task of its own, and writes its answer.
   Answers that come within a few milliseconds are written together (`workflow/finishing.py`).
2. It keeps its leases alive while attempts run; when it dies, others take over once a lease has run out.
3. It wakes when something was committed in this process, when the next delivery falls due, and at least every second.
4. A database that does not answer is waited for, with growing pauses; nothing is sent meanwhile.
5. Told to stop, it claims nothing more and waits for the attempts in flight.
6. Beside it the chores are done (`workflow/chores.py`): what is due without anybody asking, each in its turn, so that
   none waits until another has nothing left to do. One that has more to do rests for as long as its last part took:
   however much that is, deliveries have the database half of the time.
7. It looks for leases that ran out, and for lines to probe, a few times a second, however often it claims; of its
   places such probes take an eighth at most, so that a thousand endpoints that die at once leave room for the living.
8. And beside it pages go out to people (`workflow/pager.py`), and what is said to endpoints beside disclosures
   (`workflow/messenger.py`); it waits for those in flight too.
9. Every part of it is watched. One that ends with an error ends the worker, loudly: it claims nothing more, gives what
   is in flight half a lease to end, and raises, so that whoever runs it starts it again.
10. An attempt whose delivery was cancelled meanwhile, or whose lease was lost, is aborted: soon after the commit where
   the bell rings (`Database.changed`), and at the next renewal of its lease where it does not.
11. It remembers for five minutes who answered what it sent. Whoever fails, or is slow, is a stranger again until the
    next answer (`domain/lanes.py`, rule 6). Each worker finds out for itself.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any, Final

import structlog

from tiprouter import telemetry
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.delivery.flight import Flight
from tiprouter.delivery.sender import Sender
from tiprouter.domain.lanes import Lane, Places, Room, lane_of
from tiprouter.domain.states import DeliveryState
from tiprouter.errors import TiprouterError, UnavailableError
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
TURN_SECONDS: Final = 0.5
"""So long a chore goes on before the others have their turn."""
SLOW_SECONDS: Final = 0.5
"""An attempt under way for so long is slow, and gives its place back (`domain/lanes.py`, rule 5)."""
KNOWN_SECONDS: Final = 300.0
"""So long ago is lately (rule 11)."""
LOOK_AGAIN_SECONDS: Final = 0.05
SWEEP_SECONDS: Final = 0.25
HEED_SECONDS: Final = 0.05
"""So long at least lies between two looks at what was cancelled."""
PLACES_FOR_EACH_PROBE: Final = 8


class PartEndedError(TiprouterError):
    """A part of the worker ended with an error (rule 9)."""


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
        self._flights: dict[str, Flight] = {}
        self._slow: set[asyncio.Task[None]] = set()
        self._strange: set[asyncio.Task[None]] = set()
        self._answered: dict[str, float] = {}
        self._stopping = asyncio.Event()
        self._sweep_at = 0.0
        self._swept = True

    async def run(self) -> None:
        """Work until `stop` (rules 1-5). Raises what ended a part of it (rule 9)."""
        parts = [
            self._part("leases", self._renew_leases()),
            self._part("chores", self._tend()),
            self._part("answers", self._answers.run()),
            self._part("cancelled", self._heed()),
        ]
        sayers = [self._part("pages", self._pager.run()), self._part("messages", self._messenger.run())]
        try:
            while not self._stopping.is_set() and not any(map(_broken, parts + sayers)):
                self._database.changed.clear()
                try:
                    claimed = await self._claim()
                except UnavailableError:
                    break  # told to stop while the database is away (rule 5)
                if not claimed:
                    await self._wait()
            await self._drain(parts)
        finally:
            for task in (*parts, *self._held):
                task.cancel()
            self._pager.stop()
            self._messenger.stop()
            await asyncio.wait([*parts, *sayers, *self._held])
        for part in parts + sayers:
            _raise_what_broke(part)

    def _part(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        part = asyncio.create_task(work, name=name)
        part.add_done_callback(lambda _: self._database.changed.set())
        return part

    async def _drain(self, parts: list[asyncio.Task[None]]) -> None:
        """Wait for what is in flight (rule 5); when a part ended, not for long (rule 9)."""
        log.info("worker.draining", count=len(self._held))
        while self._held and not any(map(_broken, parts)):
            await asyncio.wait({*self._held, *parts}, return_when=asyncio.FIRST_COMPLETED)
        if self._held:
            await asyncio.wait(self._held, timeout=LEASE.total_seconds() / 2)

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping.set()
        self._database.changed.set()

    async def _claim(self) -> bool:
        """Start what can be started; whether anything was."""
        room = self._room()
        if not any(self._places.room(lane, room.taken()) for lane in Lane):
            # A second at most: some of them may be slow by then, and have given their places back.
            await asyncio.wait(self._held, timeout=SLOW_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            return True
        sweeping, bell = self._sweeps(), self._database.changed.next
        probes = self._probes() if sweeping else 0
        with telemetry.span("claim", probes=probes) as step:
            async for attempt in until_the_database_answers(self._stopping):
                with attempt:
                    claimed = await self._database.write(
                        telemetry.carried(lambda tx: claim(tx, self._desk, room, probes=probes, sweeping=sweeping)),
                        quietly=True,
                    )
            step.says(count=len(claimed))
            for ready in claimed:
                self._flights[ready.lease] = Flight()
                task = asyncio.create_task(self._deliver(ready))
                self._held[task] = ready
                if room.is_strange(*_place(ready)) and not ready.probes:
                    self._strange.add(task)
                task.add_done_callback(self._let_go)
                loop = asyncio.get_running_loop()
                loop.call_later(SLOW_SECONDS, self._set_aside, task, loop.time())
        if claimed and bell.is_set():
            self._database.changed.set()  # what was cancelled since they were claimed was not theirs yet (rule 10)
        return bool(claimed)

    def _room(self) -> Room:
        """What may begin now."""
        lately = asyncio.get_running_loop().time() - KNOWN_SECONDS
        self._answered = {name: at for name, at in self._answered.items() if at > lately}
        held, slow, strange = Counter[tuple[str, Lane]](), Counter[Lane](), Counter[Lane]()
        for task, ready in self._held.items():
            place = _place(ready)
            held[place] += 1
            slow[place[1]] += task in self._slow
            strange[place[1]] += task in self._strange and task not in self._slow
        aside = len(self._strange & self._slow)
        return Room(self._places, self._each, held, slow, frozenset(self._answered), strange, aside)

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

    def _set_aside(self, task: asyncio.Task[None], begun: float) -> None:
        if task in self._held:
            self._slow.add(task)
            whose = self._held[task].recipient_id
            if self._answered.get(whose, begun) < begun:
                del self._answered[whose]
            self._database.changed.set()

    def _hear(self, recipient_id: str, result: AttemptResult) -> None:
        """Rule 11; an attempt that was aborted says nothing."""
        if result is AttemptResult.SUCCESS:
            self._answered[recipient_id] = asyncio.get_running_loop().time()
        elif result is not AttemptResult.ABORTED:
            self._answered.pop(recipient_id, None)

    def _let_go(self, task: asyncio.Task[None]) -> None:
        ready = self._held.pop(task)
        self._slow.discard(task)
        self._strange.discard(task)
        self._flights.pop(ready.lease, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its lease runs out, and it is made again.
            log.error("attempt.unfinished", delivery=ready.delivery_id, error=type(error).__name__)
        self._database.changed.set()

    async def _deliver(self, ready: Ready) -> None:
        lane = _place(ready)[1].value
        with telemetry.span("deliver", lane=lane, kind=ready.attempt.kind.value):
            with telemetry.span("attempt", lane=lane) as step:
                attempted = await self._sender.send(ready.envelope, self._flights[ready.lease])
                self._hear(ready.recipient_id, attempted.result)
                step.says(result=attempted.result.value, code=telemetry.code_of(attempted.status))
            telemetry.attempted(
                lane, ready.attempt.kind.value, attempted.result.value, attempted.status, attempted.duration_ms / 1_000
            )
            # If we were to crash here, the attempt's end would be unknown: its lease runs out and it is made again,
            # under the same webhook-id.
            with telemetry.span("finish", lane=lane) as step:
                state = await self._answers.write(ready, attempted)
                step.says(state=state.value)
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
            await self._renew(list(self._flights))

    async def _renew(self, leases: list[str]) -> None:
        """Rules 2 and 10."""

        def renewed(tx: Transaction) -> set[str]:
            deliveries.renew(tx, leases, self._desk.now() + LEASE)
            return deliveries.standing(tx, leases)

        if leases:
            try:
                self._abort_others(leases, await self._database.write(renewed, quietly=True))
            except UnavailableError as error:
                log.warning("lease.renewal", error=type(error).__name__)

    async def _heed(self) -> None:
        """Rule 10."""
        while True:
            committed = self._database.changed.next
            await self._look(list(self._flights))
            await committed.wait()
            await asyncio.sleep(HEED_SECONDS)

    async def _look(self, leases: list[str]) -> None:
        if leases:
            try:
                self._abort_others(leases, await self._database.read(lambda tx: deliveries.standing(tx, leases)))
            except UnavailableError as error:
                log.warning("lease.look", error=type(error).__name__)

    def _abort_others(self, leases: list[str], standing: set[str]) -> None:
        for lease in leases:
            if lease not in standing and lease in self._flights and self._flights[lease].abort():
                log.info("attempt.aborted", result=self._flights[lease].aborted)

    async def _tend(self) -> None:
        """Rule 6. What keeps it from ending is cancelled; what ends it ends the worker."""
        while True:
            with telemetry.span("tend"):
                more = [await self._do(chore) for chore in CHORES]
            if not any(more):
                await asyncio.sleep(IDLE_SECONDS)

    async def _do(self, chore: Chore) -> bool:
        """A chore's turn: until it has nothing to do, or its time is up and it goes on after the others."""
        loop, done = asyncio.get_running_loop(), 0
        ends = loop.time() + TURN_SECONDS
        try:
            with telemetry.span("chore", chore=chore.__name__) as step:
                while (begun := loop.time()) < ends:
                    did = await self._database.write(lambda tx: chore(tx, self._desk), quietly=True)
                    if not did:
                        step.says(count=done)
                        return False
                    self._database.changed.set()
                    done += did
                    await asyncio.sleep(loop.time() - begun)
                step.says(count=done)
        except UnavailableError as error:
            log.warning("chore", chore=chore.__name__, error=type(error).__name__)
            return False
        return True

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


def _broken(part: asyncio.Task[None]) -> bool:
    """Rule 9; a part that has nothing to do may return."""
    return part.done() and not part.cancelled() and part.exception() is not None


def _raise_what_broke(part: asyncio.Task[None]) -> None:
    if _broken(part):
        error = part.exception()
        log.critical("worker.part_ended", part=part.get_name(), error=type(error).__name__)
        raise PartEndedError(f"A part of the worker ended: {part.get_name()}.") from error


def _place(ready: Ready) -> tuple[str, Lane]:
    return ready.recipient_id, lane_of(ready.urgency, ready.attempt.number - 1)
