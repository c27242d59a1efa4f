"""How do committed audit entries become a signed log that outsiders hold?

1. The sequencer drains the outbox, gives each entry its index, and writes entries, tiles and the signed checkpoint in
   one transaction, one sequencer at a time; one that finds that another went on takes the log as it stands.
2. After the commit the new tiles and then the checkpoint are written to the log's folder, which is the copy outside
   the database and what `audit verify` reads.
3. Before it goes on after a start it hashes every stored entry again and compares entries, tiles and root with the
   last checkpoint, and the database with the folder. Another root, another history in the folder, or a folder ahead of
   the database, means that history was changed or set back: it refuses (`LogRefusedError`) and says what to do.
4. A folder behind the database is brought up to date from the database.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from tiprouter.audit import folder as log_folder
from tiprouter.audit.checkpoint import Checkpoint, open_checkpoint, read_unverified, sign_checkpoint
from tiprouter.audit.entry import Kind, parse
from tiprouter.audit.folder import FolderError
from tiprouter.audit.growth import Integration, LogDamagedError, LogState, integrate
from tiprouter.audit.note import Signer
from tiprouter.audit.tiles import ENTRIES, TILE_WIDTH, Tile, decode_bundle, encode_bundle, tile_at, tiles_between
from tiprouter.errors import TiprouterError, UnavailableError
from tiprouter.storage import outbox, treelog
from tiprouter.storage.database import Database, Transaction
from tiprouter.storage.treelog import CheckpointRow, EntryRow, TileRow
from tiprouter.workflow.happening import ROUTER, Desk, happening

log = structlog.get_logger()

BATCH: Final = 2_048
EVERY_SECONDS: Final = 1.0
HASH_BYTES: Final = 32


class LogRefusedError(TiprouterError):
    """The log's history is not what was signed."""


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


def resume(tx: Transaction, signer: Signer) -> LogState:
    """The log as the database holds it, checked against its last checkpoint (rule 3). Raises `LogRefusedError`."""
    last = treelog.last_checkpoint(tx)
    if last is None:
        return LogState()
    try:
        signed = open_checkpoint(last.note, signer.verifier).checkpoint
        state = LogState.from_tiles(last.size, lambda tile: fetch(tx, tile))
    except TiprouterError as error:
        raise LogRefusedError("The stored log is damaged; restore the database from a backup.") from error
    if (signed.size, signed.root) != (last.size, state.root) or last.root != state.root:
        raise LogRefusedError("The stored log is not what was signed; restore the database from a backup.")
    return state


def recheck(tx: Transaction, signer: Signer) -> LogState:
    """As `resume`, with every stored entry hashed again, O(size): for a start. Raises `LogRefusedError`."""
    state = resume(tx, signer)
    try:
        whole = _rehashed(tx, state.size)
    except TiprouterError as error:
        raise LogRefusedError("The stored log is damaged; restore the database from a backup.") from error
    if whole.root != state.root or treelog.size(tx) != state.size:
        raise LogRefusedError("The stored log is not what was signed; restore the database from a backup.")
    return state


def _rehashed(tx: Transaction, size: int) -> LogState:
    """The log as its bundles give it. Raises `LogDamagedError` where rows or full tiles say something else."""
    state = LogState()
    while state.size < size:
        bundle = tile_at(ENTRIES, state.size // TILE_WIDTH, size)
        entries = decode_bundle(fetch(tx, bundle), bundle.width)
        grown = integrate(state, entries)
        full = ((tile, data) for tile, data in grown.files.items() if tile.full)
        if entries != treelog.between(tx, state.size, bundle.width) or any(fetch(tx, t) != data for t, data in full):
            raise LogDamagedError("A part of the log is not what its entries give.")
        state = grown.state
    return state


def fetch(tx: Transaction, tile: Tile) -> bytes:
    """A tile or entry bundle at the width asked for. Raises `LogDamagedError` when it is not there."""
    row = treelog.tile(tx, tile.level, tile.index)
    if row is None or row.width < tile.width:
        raise LogDamagedError("A part of the log is missing.")
    if row.width == tile.width:
        return row.tile
    if tile.level == ENTRIES:
        return encode_bundle(decode_bundle(row.tile, row.width)[: tile.width])
    return row.tile[: tile.width * HASH_BYTES]


def sequence(tx: Transaction, desk: Desk, signer: Signer, state: LogState) -> Grown | None:
    """Move entries from the outbox into the tree (rule 1); None when none waits."""
    treelog.hold(tx)
    last = treelog.last_checkpoint(tx)
    if last is not None and last.size != state.size:
        state = resume(tx, signer)
    entries = outbox.drain(tx, BATCH)
    if not entries:
        return None
    grown: Integration = integrate(state, entries)
    parsed = [parse(entry) for entry in entries]
    treelog.add_entries(
        tx,
        [
            EntryRow(state.size + offset, one.kind.value, one.at, entry)
            for offset, (one, entry) in enumerate(zip(parsed, entries, strict=True))
        ],
    )
    treelog.put_tiles(tx, (TileRow(t.level, t.index, t.width, data) for t, data in grown.files.items()))
    note = sign_checkpoint(Checkpoint(signer.name, grown.state.size, grown.root), signer)
    treelog.add_checkpoint(tx, CheckpointRow(grown.state.size, grown.root, note, desk.now()))
    return Grown(state.size, grown.state, note, grown.files)


class Sequencer:
    """Grows the log until it is stopped; `folder` is the log's copy outside the database."""

    def __init__(self, database: Database, desk: Desk, signer: Signer, folder: Path) -> None:
        self._database, self._desk, self._signer, self._folder = database, desk, signer, folder
        self._state = LogState()
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Check what is stored before anything is added (rules 3 and 4). Raises `LogRefusedError`."""
        self._state = await self._database.read(lambda tx: recheck(tx, self._signer))
        size = self._published()
        if size > self._state.size:
            raise LogRefusedError(
                "The log's folder is ahead of the database: the database was set back. Restore the newest backup; "
                "never remove the folder."
            )
        try:
            await self._refuse_another_history()
            await self._catch_up(size)
        except FolderError as error:
            raise LogRefusedError(
                "The log's folder holds another history than the database. Keep both, and find out which was changed."
            ) from error
        await self._database.write(lambda tx: open_log(tx, self._desk, self._signer))

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
        """Sequence until nothing waits."""
        while await self.step():
            continue

    async def step(self) -> bool:
        """One batch; whether there was one."""
        state = self._state
        grown = await self._database.write(lambda tx: sequence(tx, self._desk, self._signer, state), quietly=True)
        if grown is None:
            return False
        # If we were to crash here, the folder would be behind the database: `start` brings it up to date.
        behind = grown.base != state.size
        self._state = grown.state
        if behind:
            await self._catch_up(self._published())
        else:
            await self._publish(grown.files, grown.note)
        return True

    async def _pass(self) -> None:
        try:
            await self.drain()
        except (UnavailableError, OSError) as error:
            log.warning("log.behind", error=type(error).__name__)
            await self._reload()

    async def _reload(self) -> None:
        """After a failure, take the state from the database again: the commit may have happened or not."""
        try:
            self._state = await self._database.read(lambda tx: resume(tx, self._signer))
            await self._catch_up(self._published())
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
        there = read_unverified(note)
        here = await self._database.read(lambda tx: LogState.from_tiles(there.size, lambda tile: fetch(tx, tile)))
        if here.root != there.root:
            raise FolderError("the folder does not begin the database's log")

    async def _catch_up(self, size: int) -> None:
        """Rule 4."""
        last = await self._database.read(treelog.last_checkpoint)
        if last is None or size == last.size:
            return
        wanted = tiles_between(size, last.size)
        files = await self._database.read(lambda tx: {tile: fetch(tx, tile) for tile in wanted})
        await self._publish(files, last.note)

    async def _publish(self, files: dict[Tile, bytes], note: bytes) -> None:
        await asyncio.to_thread(log_folder.publish, self._folder, files, note, self._signer.vkey)
