"""Who keeps deliveries moving?

1. A worker claims what is due up to its free places, makes each attempt in a task of its own, and writes its answer.
2. It keeps its leases alive while attempts run; when it dies, others take over once a lease has run out.
3. It wakes when something was committed in this process, when the next delivery falls due, and at least every second.
4. A database that does not answer is waited for, with growing pauses; nothing is sent meanwhile.
5. Told to stop, it claims nothing more and waits for the attempts in flight.
6. Beside it the chores are done (`workflow/chores.py`): what is due without anybody asking.
7. And beside it pages go out to people (`workflow/pager.py`); it waits for those in flight too.
"""

import asyncio
from collections import Counter
from typing import Final

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from tiprouter.delivery.sender import Sender
from tiprouter.errors import UnavailableError
from tiprouter.storage import deliveries
from tiprouter.storage.database import Database, Transaction
from tiprouter.workflow.chores import CHORES, Chore
from tiprouter.workflow.dispatch import LEASE, Ready, claim, finish
from tiprouter.workflow.happening import Desk
from tiprouter.workflow.pager import Pager

log = structlog.get_logger()

IDLE_SECONDS: Final = 1.0
PAUSE_SECONDS_MAX: Final = 5.0


class Worker:
    """Delivers until it is stopped: at most `places` attempts at once, `each` of them to one recipient."""

    def __init__(
        self,
        database: Database,
        desk: Desk,
        sender: Sender,
        *,
        places: int = 64,
        each: int = 8,
        pager: Pager | None = None,
    ) -> None:
        self._database, self._desk, self._sender = database, desk, sender
        self._pager = pager or Pager(database, desk, {})
        self._places, self._each = places, each
        self._held: dict[asyncio.Task[None], Ready] = {}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Work until `stop` (rules 1-5)."""
        renewing = asyncio.create_task(self._renew_leases())
        tending = asyncio.create_task(self._tend())
        paging = asyncio.create_task(self._pager.run())
        try:
            while not self._stopping.is_set():
                if tending.done():
                    tending.result()
                self._database.changed.clear()
                if not await self._claim():
                    await self._wait()
            if self._held:
                await asyncio.wait(self._held)
        finally:
            renewing.cancel()
            tending.cancel()
            self._pager.stop()
            await paging

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping.set()
        self._database.changed.set()

    async def _claim(self) -> bool:
        """Start what can be started; whether anything was."""
        free = self._places - len(self._held)
        if free <= 0:
            await asyncio.wait(self._held, return_when=asyncio.FIRST_COMPLETED)
            return True
        held = Counter(ready.recipient_id for ready in self._held.values())
        async for attempt in _until_the_database_answers():
            with attempt:
                claimed = await self._database.write(
                    lambda tx: claim(tx, self._desk, free, self._each, held), quietly=True
                )
        for ready in claimed:
            task = asyncio.create_task(self._deliver(ready))
            self._held[task] = ready
            task.add_done_callback(self._let_go)
        return bool(claimed)

    def _let_go(self, task: asyncio.Task[None]) -> None:
        del self._held[task]
        self._database.changed.set()

    async def _deliver(self, ready: Ready) -> None:
        attempted = await self._sender.send(ready.envelope)
        # If we were to crash here, the attempt's end would be unknown: its lease runs out and it is made again, under
        # the same webhook-id.
        async for attempt in _until_the_database_answers():
            with attempt:
                state = await self._database.write(lambda tx: finish(tx, self._desk, ready, attempted), quietly=True)
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
        due = await self._database.read(deliveries.next_due_at)
        seconds = IDLE_SECONDS if due is None else (due - self._desk.now()).total_seconds()
        # What is due but waits for its matter or its recipient's place is looked at again shortly, not at once.
        seconds = min(max(seconds, 0.02), IDLE_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                await self._database.changed.wait()
        except TimeoutError:
            return


def _until_the_database_answers() -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception_type(UnavailableError),
        wait=wait_random_exponential(multiplier=0.05, max=PAUSE_SECONDS_MAX),
        reraise=True,
    )
