"""Who sends what the router says to endpoints beside disclosures?

1. One loop claims what is due up to its free places, makes each attempt in a task, and writes its answer. It delays no
   delivery, and no delivery delays it.
2. Nothing in here ends the worker: what goes wrong is logged, and it goes on after a pause.
3. Told to stop, it claims nothing more and waits for the attempts in flight.
"""

import asyncio
import contextlib
from typing import Final

import structlog

from tiprouter.delivery.sender import Sender
from tiprouter.storage import endpoints
from tiprouter.storage.database import Database
from tiprouter.workflow.endpoint_messages import Outbound, claim_messages, finish_message
from tiprouter.workflow.happening import Desk

log = structlog.get_logger()

IDLE_SECONDS: Final = 0.5
PAUSE_SECONDS: Final = 5.0
PLACES: Final = 8


class Messenger:
    """Sends until it is stopped."""

    def __init__(self, database: Database, desk: Desk, sender: Sender) -> None:
        self._database, self._desk, self._sender = database, desk, sender
        self._held: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Send until `stop` (rules 1 to 3)."""
        while not self._stopping.is_set():
            seconds = IDLE_SECONDS
            try:
                for out in await self._claim():
                    task = asyncio.create_task(self._send(out))
                    self._held.add(task)
                    task.add_done_callback(self._held.discard)
            except Exception as error:  # noqa: BLE001 - rule 2
                log.warning("endpoint-message.claim", error=type(error).__name__)
                seconds = PAUSE_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()
        if self._held:
            await asyncio.wait(self._held)

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping.set()

    async def _claim(self) -> list[Outbound]:
        places = PLACES - len(self._held)
        due = await self._database.read(endpoints.next_due_at)
        if places <= 0 or due is None or due > self._desk.now():
            return []
        return await self._database.write(lambda tx: claim_messages(tx, self._desk, places), quietly=True)

    async def _send(self, out: Outbound) -> None:
        message = out.message
        try:
            attempted = await self._sender.send(out.envelope)
            # If we were to crash here, the attempt's end would be unknown: its lease runs out, and it is made again.
            result = await self._database.write(lambda tx: finish_message(tx, self._desk, out, attempted))
        except Exception as error:  # noqa: BLE001 - rule 2
            log.warning("endpoint-message.unfinished", id=message.id, error=type(error).__name__)
            return
        log.info(
            "endpoint-message.finished",
            id=message.id,
            recipient=message.recipient_id,
            form=message.form.value,
            result=result,
            status=attempted.status,
        )
