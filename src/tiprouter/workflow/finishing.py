"""How do the answers of attempts get into the database without a transaction for each?

1. Whoever has an answer hands it over and waits until it is durable.
2. The first answer waits a few milliseconds for others; all are then written in one transaction.
3. One that cannot be written does not undo the others: it is written once more by itself, and its error is its own.
4. A database that does not answer is waited for, with growing pauses; whatever is in hand stays in hand.

If we were to crash with answers in hand, how those attempts ended would be unknown: their leases run out and they are
made again, under the same webhook-ids.
"""

import asyncio
from typing import Final, TypeAlias

from tenacity import AsyncRetrying, retry_if_exception_type, stop_never, wait_random_exponential

from tiprouter import telemetry
from tiprouter.delivery.attempts import Attempted
from tiprouter.domain.states import DeliveryState
from tiprouter.errors import UnavailableError
from tiprouter.storage.database import Database
from tiprouter.telemetry import Mark
from tiprouter.workflow.dispatch import Ready, finish, finish_all
from tiprouter.workflow.happening import Desk

GATHER_SECONDS: Final = 0.003
TOGETHER_MAX: Final = 64
PAUSE_SECONDS_MAX: Final = 1.0

_Waiting: TypeAlias = tuple[Ready, Attempted, asyncio.Future[DeliveryState], Mark]


class Answers:
    """Writes answers, several at once."""

    def __init__(self, database: Database, desk: Desk) -> None:
        self._database, self._desk = database, desk
        self._handed: asyncio.Queue[_Waiting] = asyncio.Queue()

    async def write(self, ready: Ready, attempted: Attempted) -> DeliveryState:
        """Hand an answer over (rule 1); the state its delivery is in once it is durable."""
        written: asyncio.Future[DeliveryState] = asyncio.get_running_loop().create_future()
        self._handed.put_nowait((ready, attempted, written, telemetry.here()))
        return await written

    async def run(self) -> None:
        """Write what is handed over, until cancelled (rules 2-4)."""
        while True:
            some = [await self._handed.get()]
            await asyncio.sleep(GATHER_SECONDS)
            while len(some) < TOGETHER_MAX and not self._handed.empty():
                some.append(self._handed.get_nowait())
            with telemetry.span("write", of=[one[3] for one in some], count=len(some)):
                await self._write(some)

    async def _write(self, some: list[_Waiting]) -> None:
        ended = [(ready, attempted) for ready, attempted, _, _ in some]
        async for attempt in until_the_database_answers():
            with attempt:
                states = await self._database.write(lambda tx: finish_all(tx, self._desk, ended), quietly=True)
        for one, state in zip(some, states, strict=True):
            if isinstance(state, DeliveryState):
                _resolve(one[2], state)
            else:
                await self._write_alone(one)

    async def _write_alone(self, one: _Waiting) -> None:
        ready, attempted, written, _ = one
        try:
            async for attempt in until_the_database_answers():
                with attempt:
                    state = await self._database.write(
                        lambda tx: finish(tx, self._desk, ready, attempted), quietly=True
                    )
        except Exception as error:  # noqa: BLE001 - rule 3: it is its own, and whoever waits for it says so
            if not written.done():
                written.set_exception(error)
            return
        _resolve(written, state)


def until_the_database_answers(stopping: asyncio.Event | None = None) -> AsyncRetrying:
    """Try again while the database does not answer (rule 4); when `stopping` is set, once more at most."""
    return AsyncRetrying(
        retry=retry_if_exception_type(UnavailableError),
        wait=wait_random_exponential(multiplier=0.05, max=PAUSE_SECONDS_MAX),
        stop=stop_never if stopping is None else lambda _state: stopping.is_set(),
        reraise=True,
    )


def _resolve(written: asyncio.Future[DeliveryState], state: DeliveryState) -> None:
    if not written.done():
        written.set_result(state)
