"""How do committed audit entries become a signed log that outsiders hold?

1. The sequencer drains the outbox, gives each entry its index, and writes entries, tiles and the signed checkpoint in
   one transaction, one sequencer at a time; one that finds that another went on takes the log as it stands.
2. After the commit the new tiles and then the checkpoint are written to the log's folder, which is the copy outside
   the database and what `audit verify` reads.
3. Before it goes on after a start it recomputes the right edge, O(log size), and compares it with the last checkpoint
   in the database and with the one in the folder (`workflow/stored_log.py`). Another root, another history in the
   folder, or a folder ahead of the database, means that history was changed or set back: it refuses
   (`LogRefusedError`) and says what to do.
   The same is asked whenever the log in the database is not the one that this process left there: one that does not
   continue it was set back, or changed, under a running service.
4. A folder behind the database is brought up to date from the database, from checkpoint to checkpoint, so that no more
   than some thousand entries are held at once.
5. A log that is silent for long says that it is alive: an entry of its own, so that the checkpoint moves and witnesses
   sign it anew. Whoever sees an old checkpoint knows that something is wrong.
6. Once a day it has rows and entries counted (`workflow/log_watch.py`).
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from tiprouter import telemetry
from tiprouter.audit import folder as log_folder
from tiprouter.audit.checkpoint import Checkpoint, read_unverified, sign_checkpoint
from tiprouter.audit.entry import heading
from tiprouter.audit.folder import FolderError
from tiprouter.audit.growth import Growing, Integration, LogDamagedError, LogState
from tiprouter.audit.kinds import Kind
from tiprouter.audit.merkle import EMPTY_ROOT
from tiprouter.audit.note import Signer, split_note
from tiprouter.audit.tiles import TILE_WIDTH, Tile, tiles_between
from tiprouter.errors import TiprouterError, UnavailableError
from tiprouter.storage import log_mentions, outbox, treelog
from tiprouter.storage.database import Database, Transaction
from tiprouter.storage.log_mentions import Mentions
from tiprouter.storage.treelog import CheckpointRow, TileRow, Told
from tiprouter.workflow import log_keys, log_watch
from tiprouter.workflow.happening import ROUTER, Desk, happening
from tiprouter.workflow.stored_log import LogRefusedError, begins_with, fetch, resume

log = structlog.get_logger()

BATCH: Final = 4_096
CATCH_UP_STEP: Final = 4 * BATCH
EVERY_SECONDS: Final = 1.0
ALIVE_EVERY: Final = timedelta(hours=1)

_SET_BACK: Final = (
    "The log's folder is ahead of the database: the database was set back. Restore the newest backup; "
    "never remove the folder."
)
_SET_BACK_BENEATH: Final = (
    "The database was set back, or its log changed, while the log was kept: it does not continue what was signed. "
    "Restore the newest backup; never remove the log's folder."
)
_ANOTHER: Final = "The log's folder holds another history than the database. Keep both, and find out which was changed."


@dataclass(frozen=True, slots=True)
class Grown:
    """The log after some entries: the size it had before, its state, its signed checkpoint, and the new tiles."""

    base: int
    state: LogState
    note: bytes
    files: dict[Tile, bytes]


def open_log(tx: Transaction, desk: Desk, signer: Signer) -> None:
    """Write the log's first entry, if it has none yet: its origin and key."""
    if treelog.last_checkpoint(tx) is not None or outbox.waiting(tx):
        return
    with happening(tx, desk, ROUTER) as it:
        it.log(Kind.LOG_OPENED, {"origin": signer.name, "key": signer.verifier.key_id.hex()})


def say_alive(tx: Transaction, desk: Desk, every: timedelta = ALIVE_EVERY) -> bool:
    """Leave an entry when the last checkpoint is older than `every` and nothing waits (rule 5); whether it did."""
    last = treelog.last_checkpoint(tx)
    if last is None or desk.now() - last.signed_at < every or outbox.first(tx) is not None:
        return False
    with happening(tx, desk, ROUTER) as it:
        it.log(Kind.LOG_ALIVE, {"size": last.size})
    return True


def sequence(tx: Transaction, desk: Desk, first: Signer, state: LogState) -> Grown | None:
    """Move entries from the outbox into the tree (rule 1); None when none waits. `first` is the log's first key."""
    treelog.hold(tx)
    last = treelog.last_checkpoint(tx)
    if (last.root if last is not None else EMPTY_ROOT) != state.root:
        state = continued(tx, desk, first, state)
    entries = outbox.drain(tx, _batch(state.size))
    if not entries:
        return None
    growing, mentions = Growing(state), Mentions()
    treelog.add_entries(tx, _told(state.size, entries, growing, mentions))
    grown: Integration = growing.grown()
    mentions.keep(tx, state.size)
    treelog.put_tiles(tx, (TileRow(t.level, t.index, t.width, data) for t, data in grown.files.items()))
    # A new key signs the checkpoint that has its entry under it: asked after the entries are in.
    signer = log_keys.in_force(tx, desk, first)
    note = sign_checkpoint(Checkpoint(signer.name, grown.state.size, grown.root), signer)
    treelog.add_checkpoint(tx, CheckpointRow(grown.state.size, grown.root, note, desk.now()))
    return Grown(state.size, grown.state, note, grown.files)


def _told(size: int, entries: Sequence[bytes], growing: Growing, mentions: Mentions) -> Iterator[Told]:
    """The entries with their indices, a bundle at a time hashed and looked through when its first one is asked for.

    So a PostgreSQL takes those before them meanwhile, on another core.
    """
    start = 0
    while start < len(entries):
        end = start + TILE_WIDTH - (size + start) % TILE_WIDTH
        some = entries[start:end]
        growing.add(some)
        told = [(index, *heading(entry), entry) for index, entry in enumerate(some, size + start)]
        mentions.gather(told)
        yield from told
        start = end


def continued(tx: Transaction, desk: Desk, first: Signer, known: LogState) -> LogState:
    """The log as it stands, which another keeper may have grown. Raises `LogRefusedError` (rule 3)."""
    state = resume(tx, desk, first)
    try:
        same = state.size >= known.size and begins_with(tx, Checkpoint(first.name, known.size, known.root))
    except LogDamagedError as error:
        raise LogRefusedError(_SET_BACK_BENEATH) from error
    if not same:
        raise LogRefusedError(_SET_BACK_BENEATH)
    return state


def mention_the_rest(tx: Transaction) -> None:
    """What a keeper of the version before stored after the migration is found by what it names, too."""
    treelog.hold(tx)
    first = log_mentions.begun(tx)
    while entries := treelog.between(tx, first, CATCH_UP_STEP):
        log_mentions.add_missing(tx, [(index, *heading(entry), entry) for index, entry in enumerate(entries, first)])
        first += len(entries)


def _batch(size: int) -> int:
    """How many entries a log of this size grows by at most: where more are in line, to the end of a tile.

    What ends within one is stored and published twice.
    """
    beyond = (size + BATCH) % TILE_WIDTH
    return BATCH - beyond if beyond < BATCH else BATCH


class Sequencer:
    """Grows the log until it is stopped; `folder` is the log's copy outside the database, `signer` its first key."""

    def __init__(self, database: Database, desk: Desk, signer: Signer, folder: Path) -> None:
        self._database, self._desk, self._signer, self._folder = database, desk, signer, folder
        self._state = LogState()
        self._stopping = asyncio.Event()
        self._publishing = asyncio.Lock()
        self._writing: asyncio.Task[None] | None = None
        self._cosigned: bytes | None = None

    async def start(self) -> None:
        """Check what is stored before anything is added (rules 3 and 4). Raises `LogRefusedError`."""
        await self.follow()
        await self._database.write(mention_the_rest, quietly=True)
        await self._database.write(lambda tx: open_log(tx, self._desk, self._signer))

    async def follow(self) -> None:
        """Bring the folder up to the log that whoever keeps it made. Raises `LogRefusedError`."""
        self._state = await self._database.read(lambda tx: continued(tx, self._desk, self._signer, self._state))
        try:
            await self._refuse_another_history()
            await self._catch_up()
        except (FolderError, LogDamagedError) as error:
            raise LogRefusedError(_ANOTHER) from error

    async def run(self) -> None:
        """Sequence what was committed, at least once a second."""
        while not self._stopping.is_set():
            await self._pass()
            try:
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._stopping.wait()
            except TimeoutError:
                continue
        await self.drain()

    def stop(self) -> None:
        """Sequence what is there, then end."""
        self._stopping.set()

    async def drain(self) -> None:
        """Sequence until nothing waits, and publish it."""
        while await self.step():
            continue

    async def step(self) -> bool:
        """One batch; whether there was one. Its files are written while the next one is sequenced: see `drain`."""
        state = self._state
        with telemetry.span("sequence") as step:
            try:
                grown = await self._database.write(
                    lambda tx: sequence(tx, self._desk, self._signer, state), quietly=True
                )
            finally:
                await self._written()
            if grown is None:
                return False
            step.says(count=grown.state.size - grown.base)
            # If we were to crash here, the folder would be behind the database: `start` brings it up to date.
            self._state = grown.state
            # So it may be: another keeper went on, or its disk was full for a while.
            behind = self._published() != grown.base
            self._writing = asyncio.create_task(self._catch_up() if behind else self._publish(grown.files, grown.note))
            return True

    async def _written(self) -> None:
        """Wait until the batch before is in the folder."""
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing

    async def republish(self, note: bytes) -> None:
        """Publish a checkpoint again that has more signatures, unless the folder's is a later one by now."""
        async with self._publishing:
            # The folder may be a moment behind the database: then the note waits for it.
            self._cosigned = note
            if self._published() == read_unverified(note).size:
                await asyncio.to_thread(log_folder.publish, self._folder, {}, note, self._signer.vkey)

    async def _pass(self) -> None:
        try:
            await self._database.write(lambda tx: say_alive(tx, self._desk), quietly=True)
            await self.drain()
            if await self._database.read(lambda tx: log_watch.due(tx, self._desk.now())):
                await log_watch.reconcile(self._database, self._desk)
        except (UnavailableError, OSError) as error:
            log.warning("log.behind", error=type(error).__name__)
            await self._reload()

    async def _reload(self) -> None:
        """After a failure, take the state from the database again: the commit may have happened or not."""
        try:
            state = self._state
            self._state = await self._database.read(lambda tx: continued(tx, self._desk, self._signer, state))
            await self._catch_up()
        except (UnavailableError, OSError) as error:
            log.warning("log.behind", error=type(error).__name__)

    def _published(self) -> int:
        """The size of the log in the folder."""
        note = log_folder.last_checkpoint(self._folder)
        return 0 if note is None else read_unverified(note).size

    async def _refuse_another_history(self) -> None:
        """The folder's log must be the beginning of the database's: partial tiles of two lengths cannot tell."""
        note = log_folder.last_checkpoint(self._folder)
        if note is None:
            return
        try:
            there = read_unverified(note)
        except TiprouterError as error:
            raise LogRefusedError("The checkpoint in the log's folder is damaged; restore it from a copy.") from error
        if there.size > self._state.size:
            raise LogRefusedError(_SET_BACK)
        if not await self._database.read(lambda tx: begins_with(tx, there)):
            raise FolderError("the folder does not begin the database's log")

    async def _catch_up(self) -> None:
        """Rule 4."""
        while (step := await self._database.read(partial(lacking, size=self._published()))) is not None:
            await self._publish(*step)

    async def _publish(self, files: dict[Tile, bytes], note: bytes) -> None:
        async with self._publishing:
            if self._cosigned is not None and split_note(self._cosigned)[0] == split_note(note)[0]:
                note = self._cosigned
            with telemetry.span("publish", count=len(files)):
                await asyncio.to_thread(log_folder.publish, self._folder, files, note, self._signer.vkey)


async def bring_up(database: Database, folder: Path, vkey: str) -> None:
    """Write the log into any folder, or what that folder lacks of it. Raises `FolderError` when it holds another."""
    while True:
        note = log_folder.last_checkpoint(folder)
        size = 0 if note is None else read_unverified(note).size
        step = await database.read(partial(lacking, size=size))
        if step is None:
            break
        await asyncio.to_thread(log_folder.publish, folder, *step, vkey)
    last = await database.read(treelog.last_checkpoint)
    if last is not None:
        # Witnesses may have signed meanwhile; and a folder that is ahead, or another log's, is refused here.
        await asyncio.to_thread(log_folder.publish, folder, {}, last.note, vkey)


def lacking(tx: Transaction, size: int) -> tuple[dict[Tile, bytes], bytes] | None:
    """What a folder of `size` entries lacks up to one of the next checkpoints, and that checkpoint (rule 4)."""
    row = treelog.checkpoint_within(tx, size, CATCH_UP_STEP)
    if row is None:
        return None
    return {tile: fetch(tx, tile) for tile in tiles_between(size, row.size)}, row.note
