"""Is the log what was committed, and is what was signed before its beginning?

The keeper outside: it remembers every entry that was committed and every checkpoint, and computes each root from RFC
6962's definition, by itself.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.machine.content import demand
from tests.machine.house import House
from tests.machine.watch import Watch
from tiprouter.audit.checkpoint import open_checkpoint
from tiprouter.audit.growth import LogState
from tiprouter.audit.merkle import root_of_leaves
from tiprouter.audit.tiles import tiles_between
from tiprouter.audit.verify import verify_folder
from tiprouter.storage import treelog
from tiprouter.workflow import publish, stored_log

FOLDERS: Final = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - its files have names of their own
"""Where the outsider's copy stands for a moment: in memory where there is such a place."""


@dataclass
class LogKeeper:
    """Who holds every checkpoint."""

    house: House
    watch: Watch
    state: LogState = field(default_factory=LogState)
    leaves: list[bytes] = field(default_factory=list)

    def sequence(self) -> int:
        """The sequencer runs once; how many entries it took into the log."""
        desk, signer = self.house.desk, self.house.signer
        grown = self.house.write(lambda tx: publish.sequence(tx, desk, signer, self.state))
        if grown is None:
            demand(len(self.watch.entries) == self.state.size, "what was committed is in the log", self.state.size)
            return 0
        self.watch.drained()
        signed = open_checkpoint(grown.note, signer.verifier).checkpoint
        demand(grown.base == self.state.size and signed.size == grown.state.size, "a log only grows", signed.size)
        self.leaves += [_leaf(entry) for entry in self.watch.entries[len(self.leaves) : signed.size]]
        demand(signed.size == len(self.leaves), "nothing is in the log that was not committed", signed.size)
        demand(signed.root == root_of_leaves(self.leaves), "what was committed is what was signed", signed.size)
        added, self.state = signed.size - self.state.size, grown.state
        return added

    def verify(self) -> None:
        """The whole log, as an outsider verifies it: from its folder, with its key."""
        while self.sequence():
            continue
        demand(self.house.rows("select count(*) from outbox")[0][0] == 0, "nothing waits for the log")
        desk, signer = self.house.desk, self.house.signer
        state = self.house.write(lambda tx: stored_log.recheck(tx, desk, signer))
        demand(state.root == self.state.root, "the stored log is what was signed")
        last = self.house.write(treelog.last_checkpoint)
        note = b"" if last is None else last.note
        files = self.house.write(
            lambda tx: {tile: stored_log.fetch(tx, tile) for tile in tiles_between(0, self.state.size)}
        )
        with TemporaryDirectory(dir=FOLDERS) as name:
            folder = Path(name)
            for path, data in [(tile.path, data) for tile, data in files.items()] + [("checkpoint", note)]:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(data)
            report = verify_folder(folder, signer.vkey)
        demand(report.ok, "an outsider verifies the log", report.steps)


def _leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()
