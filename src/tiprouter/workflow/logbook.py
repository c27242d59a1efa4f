"""Does the log say of every decision what the database says?

1. A decision is compared with its entry: the salted commitment to its facts, and the rest of what the entry says but
   for the obligations, which are made again (`workflow/history.py`).
2. Entries that wait for the sequencer count as the log's.
3. A decision without an entry is found, and an entry whose decision is gone.
4. Decisions and entries are read beside each other, in the order of time but for what happened at once, so that what
   waits for its counterpart stays little however long the history is.

Not promised: that the log is the one that was signed; `audit verify` and the service's start look at that.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from tiprouter.audit.entry import EntryError, commit, parse
from tiprouter.audit.kinds import Kind
from tiprouter.storage import past
from tiprouter.storage.database import Database, Transaction
from tiprouter.storage.decisions import Decision
from tiprouter.storage.past import Logged
from tiprouter.workflow.assess import facts_bytes
from tiprouter.workflow.happening import moment

TOLD: Final = 10
"""So many differences are told."""

_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Unlike:
    """A decision, and what about it is not as it should be, in words."""

    decision: Decision
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Logbook:
    """How decisions and entries compare (rules 1-3); `lost` are entries without their decision."""

    compared: int
    commitment_differs: int
    says_otherwise: int
    not_logged: int
    lost: int
    unlike: tuple[Unlike, ...]

    @property
    def faults(self) -> int:
        """How many do not agree."""
        return self.commitment_differs + self.says_otherwise + self.not_logged + self.lost


class LogReader:
    """Reads the log's entries of decisions made at or after `since` beside the decisions."""

    def __init__(self, database: Database, since: datetime | None, page_size: int) -> None:
        self._database, self._size = database, page_size
        # An entry's time has whole milliseconds.
        self._since = None if since is None else since - timedelta(microseconds=since.microsecond % 1_000)
        self._decisions: dict[str, Decision] = {}
        self._entries: dict[str, Mapping[str, Any]] = {}
        self._counts: Counter[str] = Counter()
        self._unlike: list[Unlike] = []
        self._after, self._at = -1, datetime.min.replace(tzinfo=UTC)

    async def keep_up(self, page: Sequence[Decision]) -> None:
        """Read on to the moment of the page's last decision, and compare what met (rule 4)."""
        self._decisions |= {decision.id: decision for decision in page}
        until = page[-1].decided_at + _MILLISECOND
        while self._at <= until and await self._read():
            pass

    async def finish(self) -> Logbook:
        """Read the rest, and count what is alone (rules 2, 3)."""
        while await self._read():
            pass
        rows, waiting = await self._database.read(self._last)
        await asyncio.to_thread(self._meet, [*rows, *self._committed(waiting)])
        for decision in self._decisions.values():
            self._tell(decision, ("log: no entry says that it was made",))
        alone, lost = list(self._entries), 0
        for first in range(0, len(alone), self._size):
            some = alone[first : first + self._size]
            lost += len(some) - len(await self._database.read(partial(past.known, decision_ids=some)))
        return Logbook(
            compared=self._counts["compared"],
            commitment_differs=self._counts["commitment"],
            says_otherwise=self._counts["otherwise"],
            not_logged=len(self._decisions),
            lost=lost,
            unlike=tuple(self._unlike),
        )

    async def _read(self) -> bool:
        rows = await self._database.read(self._next)
        if rows:
            self._after, self._at = rows[-1].index, rows[-1].at
            await asyncio.to_thread(self._meet, rows)
        return bool(rows)

    def _next(self, tx: Transaction) -> list[Logged]:
        return past.logged(tx, Kind.DECISION.value, self._since, self._after, self._size)

    def _last(self, tx: Transaction) -> tuple[list[Logged], list[bytes]]:
        """In one transaction, so that no entry goes from the outbox into the log unseen."""
        return self._next(tx), past.waiting(tx)

    def _committed(self, entries: Sequence[bytes]) -> Iterator[Logged]:
        for data in entries:
            entry = parse(data)
            if entry.kind is Kind.DECISION and (self._since is None or entry.at >= self._since):
                yield Logged(self._after, entry.at, data)

    def _meet(self, rows: Sequence[Logged]) -> None:
        for row in rows:
            body = _body(row.entry)
            self._entries[str(body.get("decision"))] = body
        for met in self._decisions.keys() & self._entries.keys():
            self._compare(self._decisions.pop(met), self._entries.pop(met))

    def _compare(self, decision: Decision, body: Mapping[str, Any]) -> None:
        otherwise = [name for name, value in _entry_of(decision).items() if body.get(name) != value]
        commits = forgotten(decision) or body.get("facts") == _commitment(decision)
        self._counts["compared"] += 1
        self._counts["otherwise"] += bool(otherwise)
        self._counts["commitment"] += not commits
        what = [f"log: its entry says another {name}" for name in otherwise]
        if otherwise or not commits:
            self._tell(decision, (*what, *(() if commits else ("log: its entry commits to other facts",))))

    def _tell(self, decision: Decision, what: tuple[str, ...]) -> None:
        if len(self._unlike) < TOLD:
            self._unlike.append(Unlike(decision, what))


def _body(data: bytes) -> Mapping[str, Any]:
    """What an entry says of a decision; nothing when it is none.

    Not `parse`, which also sees that it is spelt canonically: whether the log is intact is not asked here, and a long
    history would take half as long again.
    """
    try:
        entry = json.loads(data)
        body = entry["body"] if entry["kind"] == Kind.DECISION else {}
    except (ValueError, LookupError, TypeError):
        return {}
    return body if isinstance(body, dict) else {}


def forgotten(decision: Decision) -> bool:
    """Whether its facts went with the accounting of its record (`ageing.py`), and so no commitment can be opened."""
    return not decision.salt and decision.facts is None and not decision.current


def _commitment(decision: Decision) -> str | None:
    try:
        return commit(bytes.fromhex(decision.salt), facts_bytes(decision.facts))
    except (ValueError, EntryError):
        return None


def _entry_of(decision: Decision) -> dict[str, object]:
    return {
        "record": decision.record_id,
        "revision": decision.revision,
        "person": decision.person_id,
        "recipient": decision.recipient_id,
        "outcome": decision.outcome.value,
        "categories": list(decision.categories),
        "policies": list(decision.policies),
        "bundle": decision.bundle,
        "deadline": moment(decision.deadline),
        "cause": decision.cause,
    }
