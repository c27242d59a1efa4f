"""Who grows the log, of all the processes that could?

1. One at a time (`storage/keeping.py`). On a start the post is taken when it is free, and the log is looked through
   before anything is served; a log that was changed or set back stops the start.
2. Otherwise the process stands by: it serves, and asks for the post every `AGAIN_SECONDS`. When it gets it, its own
   copy of the log is brought up to date first, and whatever is wrong then stops the service loudly.
3. A keeper that lost its session stops growing the log and stands by again.
4. Told to stop, it brings the log up to date, and then lets go of the post.
"""

import asyncio
import contextlib
from typing import Final

import structlog

from tiprouter.errors import UnavailableError
from tiprouter.storage.keeping import Post
from tiprouter.wiring.house import House
from tiprouter.workflow.publish import Sequencer
from tiprouter.workflow.witnessing import Witnesses, addresses

log = structlog.get_logger()

AGAIN_SECONDS: Final = 2.0


class LogKeeper:
    """Keeps the log, or stands by to, until it is stopped."""

    def __init__(self, house: House, post: Post) -> None:
        self._house, self._post = house, post
        self._sequencer: Sequencer | None = None
        self._stopping = asyncio.Event()

    async def begin(self) -> bool:
        """Take the post if it is free (rule 1); whether it was. Raises `LogRefusedError`."""
        house = self._house
        if not await self._post.take():
            return False
        sequencer = Sequencer(house.database, house.desk, house.signer, house.settings.log_folder)
        await sequencer.start()
        self._sequencer = sequencer
        # Whoever collects these lines has the key from elsewhere than the log's own folder.
        log.info("log.opened", vkey=house.signer.vkey)
        return True

    async def run(self) -> None:
        """Keep the log whenever this process has the post (rules 2 to 4)."""
        standing_by = False
        while not self._stopping.is_set():
            try:
                if self._sequencer is not None or await self.begin():
                    standing_by = False
                    await self._keep()
                    continue
            except (UnavailableError, OSError) as error:
                log.warning("log.behind", error=type(error).__name__)
            if not standing_by:
                log.info("log.standing-by")
                standing_by = True
            await self._pause()

    def stop(self) -> None:
        """Bring the log up to date, then end."""
        self._stopping.set()

    async def _keep(self) -> None:
        """Grow the log until told to stop, or until the post is another's."""
        house, sequencer = self._house, self._sequencer
        if sequencer is None:
            return
        witnesses = Witnesses(house.database, house.desk, sequencer, addresses(house.settings.log_witnesses))
        growing, asking = asyncio.create_task(sequencer.run()), asyncio.create_task(witnesses.run())
        holding = asyncio.create_task(self._hold())
        try:
            await asyncio.wait({growing, asking, holding}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._sequencer = None
            holding.cancel()
            witnesses.stop()
            await asking
            sequencer.stop()
            await growing

    async def _hold(self) -> None:
        """Until told to stop, or until the session broke (rule 3)."""
        while not self._stopping.is_set():
            await self._pause()
            if not await self._post.held():
                return

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AGAIN_SECONDS):
                await self._stopping.wait()
