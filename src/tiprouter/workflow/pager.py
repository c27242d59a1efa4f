"""Who sends the pages?

1. Each channel has a loop of its own: it claims what is due up to its free places, makes each attempt in a task, and
   writes its answer. One channel that hangs delays neither the other nor any delivery.
2. Nothing in here ends the worker: what goes wrong is logged, and it goes on after a pause.
3. Told to stop, it claims nothing more and waits for the attempts in flight.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from tiprouter.delivery.notifying import Notifier, Paged, PageResult
from tiprouter.domain.notice import PageChannel
from tiprouter.domain.page_states import PageState
from tiprouter.errors import UnavailableError
from tiprouter.storage import pages
from tiprouter.storage.database import Database
from tiprouter.workflow.happening import Desk
from tiprouter.workflow.paging import LEASE, Ready, claim, finish

log = structlog.get_logger()

IDLE_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 5.0
PLACES: Final = 8


class Pager:
    """Pages through these channels until it is stopped."""

    def __init__(self, database: Database, desk: Desk, notifiers: Mapping[PageChannel, Notifier]) -> None:
        self._database, self._desk, self._notifiers = database, desk, dict(notifiers)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Page until `stop` (rules 1-3)."""
        await asyncio.gather(*(self._serve(channel) for channel in self._notifiers))

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping.set()

    async def _serve(self, channel: PageChannel) -> None:
        held: set[asyncio.Task[None]] = set()
        while not self._stopping.is_set():
            seconds = IDLE_SECONDS
            try:
                for ready in await self._claim(channel, PLACES - len(held)):
                    task = asyncio.create_task(self._send(ready))
                    held.add(task)
                    task.add_done_callback(held.discard)
            except Exception as error:  # noqa: BLE001 - rule 2
                log.warning("page.claim", channel=channel.value, error=type(error).__name__)
                seconds = PAUSE_SECONDS
            await self._pause(seconds)
        if held:
            await asyncio.wait(held)

    async def _claim(self, channel: PageChannel, places: int) -> list[Ready]:
        due = await self._database.read(lambda tx: pages.next_due_at(tx, channel))
        if places <= 0 or due is None or due > self._desk.now():
            return []
        return await self._database.write(lambda tx: claim(tx, self._desk, channel, places), quietly=True)

    async def _send(self, ready: Ready) -> None:
        try:
            paged = await self._notifiers[ready.channel].page(ready.call)
            # If we were to crash here, the attempt's end would be unknown: its lease runs out, and it is made again.
            state = await self._finish(ready, paged)
        except Exception as error:  # noqa: BLE001 - rule 2
            log.warning("page.unfinished", channel=ready.channel.value, id=ready.call.id, error=type(error).__name__)
            return
        say = log.info if paged.result is PageResult.SENT else log.warning
        say(
            f"page.{paged.result.value}",
            channel=ready.channel.value,
            id=ready.call.id,
            count=len(ready.call.told),
            result=paged.why,
            status=paged.status,
            state=None if state is None else state.value,
        )

    async def _finish(self, ready: Ready, paged: Paged) -> PageState | None:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(UnavailableError),
            wait=wait_random_exponential(multiplier=0.05, max=PAUSE_SECONDS),
            stop=stop_after_delay(LEASE.total_seconds()),  # then somebody else has it
            reraise=True,
        ):
            with attempt:
                return await self._database.write(lambda tx: finish(tx, self._desk, ready, paged), quietly=True)
        return None

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
