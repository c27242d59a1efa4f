"""Who grows the log, of all the processes that could?

1. One at a time (`storage/keeping.py`). On a start the post is taken when it is free, and the log is looked through
   before anything is served; a log that was changed or set back stops the start.
2. Otherwise the process stands by: it serves, asks for the post every `AGAIN_SECONDS`, and every `FOLLOW_SECONDS`
   brings its own copy of the log up to date, so that taking over takes no longer the longer it stood by, and one more
   folder remembers the log. Whatever is wrong with the log stops the service loudly, then or when it gets the post.
3. A keeper that lost its session stops growing the log and stands by again.
4. Told to stop, it brings the log up to date, and then lets go of the post. Who stands by stops at once, whatever its
   copy still lacks.
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

AGAIN_SECONDS: Final = 0.5
FOLLOW_SECONDS: Final = 5.0


class LogKeeper:
    """Keeps the log, or stands by to, until it is stopped."""

    def __init__(self, house: House, post: Post) -> None:
        self._house, self._post = house, post
        self._sequencer: Sequencer | None = None
        self._follower = self._another()
        self._followed_at = -FOLLOW_SECONDS
        self._stopping = asyncio.Event()

    async def begin(self) -> bool:
        """Take the post if it is free (rule 1); whether it was. Raises `LogRefusedError`, `UnavailableError`."""
        if not await self._post.take():
            return False
        sequencer = self._another()
        try:
            await sequencer.start()
        except OSError as error:
            reason = (error.strerror or "no reason given").lower()
            raise UnavailableError(f"The log's folder cannot be written ({reason}).") from error
        self._sequencer = sequencer
        # Whoever collects these lines has the key from elsewhere than the log's own folder.
        log.info("log.opened", vkey=self._house.signer.vkey)
        return True

    def _another(self) -> Sequencer:
        """A sequencer as after a start: it knows what the folder and the database say, and nothing else."""
        house = self._house
        return Sequencer(house.database, house.desk, house.signer, house.settings.log_folder)

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
            await self._follow()
            await self._pause()

    def stop(self) -> None:
        """Bring the log up to date, then end."""
        self._stopping.set()

    async def _follow(self) -> None:
        """Bring the own copy up to date while another keeps the log (rule 2). Raises `LogRefusedError`."""
        now = asyncio.get_running_loop().time()
        if now - self._followed_at < FOLLOW_SECONDS:
            return
        self._followed_at = now
        following = asyncio.create_task(self._follower.follow())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                await following
        except (UnavailableError, OSError) as error:
            log.warning("log.behind", error=type(error).__name__)
        finally:
            # A stop waits for no copy: one brought half-way is the beginning of the log, and the next start goes on.
            following.cancel()
            stopping.cancel()

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
