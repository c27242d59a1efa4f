"""How are a thousand looks, or refusals, told in few entries of the log, each of them before its answer?

1. The first of its kind within a minute is an entry, which is committed before the answer leaves: who, what, and
   `until` when more of the same is only counted. Nobody is answered before that entry stands, whoever came meanwhile;
   where it cannot be written, nobody is answered at all.
2. What more there was is told by one entry with its `count`, `since` when, and from which entry of the log to which:
   with the next entry that is written here, and at the latest when the service stops. So the sum of the counts is the
   number of answers.
3. A look at the log itself is of a kind with looks of the same reader at the same 256 entries (an entry bundle of C2SP
   tlog-tiles): a reader who walks through all of the log leaves an entry in 256, and each says what was read.
4. A refusal is of a kind with those of the same caller at the same route. It is told before anything was looked up, so
   it says nothing about whether there is such a thing. A flood of them leaves two entries a minute for each route.

Not promised: that more looks within the minute are counted where the process was killed in it. That somebody was
reading, and what, was in the log before.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tiprouter.audit.kinds import Kind
from tiprouter.storage.database import Database, Transaction
from tiprouter.storage.log_mentions import BUNDLE
from tiprouter.workflow.accessing import why
from tiprouter.workflow.happening import Actor, Desk, happening, moment

EVERY: Final = timedelta(minutes=1)
OPEN_MAX: Final = 4_096

Key = tuple[str, Kind, tuple[tuple[str, str | int], ...]]


@dataclass(slots=True)
class _Run:
    """What is of a kind: who makes it, what it says, its entry on the way, and how much more there was (rules 1, 2)."""

    actor: Actor
    kind: Kind
    said: Mapping[str, Any]
    since: datetime
    written: asyncio.Task[None] | None = None
    more: int = 0
    span: tuple[int, int] | None = None

    def count(self, span: tuple[int, int] | None) -> None:
        """One more."""
        self.more += 1
        if span is not None:
            self.span = span if self.span is None else (min(self.span[0], span[0]), max(self.span[1], span[1]))

    def told(self) -> dict[str, Any]:
        """What its second entry says."""
        return {**self.said, **_between(self.span), "count": self.more, "since": moment(self.since)}


class Tally:
    """What was read and refused in this process in the last minute; one for each process."""

    def __init__(self) -> None:
        self._open: OrderedDict[Key, _Run] = OrderedDict()
        self._over: list[_Run] = []

    async def read(
        self, database: Database, desk: Desk, actor: Actor, what: str, span: tuple[int, int] | None = None
    ) -> None:
        """Somebody is about to be told this, of these entries of the log (the last one included)."""
        said = {"role": actor.role, "what": what, "why": why(actor.role, what).value}
        alike = () if span is None else (("bundle", span[0] // BUNDLE),)
        await self._note(database, desk, _Run(actor, Kind.ACCESS, said, desk.now()), alike, span)

    async def refused(self, database: Database, desk: Desk, actor: Actor, route: tuple[str, str], lacks: str) -> None:
        """Somebody may not be at a route, for want of this (rule 4)."""
        method, template = route
        # A template's braces are no token of the log: `/v1/tips/{tip_id}` is told as `/v1/tips/:tip_id`.
        named = template.replace("{", ":").replace("}", "")
        said = {"role": actor.role, "method": method, "route": named, "lacks": lacks}
        await self._note(database, desk, _Run(actor, Kind.ACCESS_REFUSED, said, desk.now()), (), None)

    async def settle(self, database: Database, desk: Desk) -> None:
        """Tell all that is not told yet; for when the service stops."""
        while self._open:
            self._end(next(iter(self._open)))
        if self._over:
            await self._write(database, desk, None, None)

    async def _note(
        self,
        database: Database,
        desk: Desk,
        run: _Run,
        alike: tuple[tuple[str, str | int], ...],
        span: tuple[int, int] | None,
    ) -> None:
        """Rules 1 and 2."""
        key = run.actor.id, run.kind, (*run.said.items(), *alike)
        known = self._open.get(key)
        if known is None or not timedelta() <= run.since - known.since < EVERY:
            self._sweep(key, run.since)
            self._open[key] = known = run
            known.written = asyncio.create_task(self._begin(database, desk, key, span))
            known.written.add_done_callback(_heard)
        else:
            known.count(span)
        if known.written is not None:
            # One of several who wait may go away; the others' entry must not go with it.
            await asyncio.shield(known.written)

    async def _begin(self, database: Database, desk: Desk, key: Key, span: tuple[int, int] | None) -> None:
        run = self._open[key]
        try:
            await self._write(database, desk, run, span)
            run.written = None
        except BaseException:
            # Nobody was answered: what waited for this entry is told the same, and whoever comes next tries again.
            if self._open.get(key) is run:
                del self._open[key]
            raise

    def _sweep(self, key: Key, now: datetime) -> None:
        """End what is of the same kind, what is older than a minute, and the oldest where there are too many."""
        if key in self._open:
            self._end(key)
        while self._open:
            oldest, run = next(iter(self._open.items()))
            if len(self._open) < OPEN_MAX and now - run.since < EVERY:
                return
            self._end(oldest)

    def _end(self, key: Key) -> None:
        run = self._open.pop(key)
        if run.more:
            self._over.append(run)

    async def _write(self, database: Database, desk: Desk, begun: _Run | None, span: tuple[int, int] | None) -> None:
        """The entry of what begins, and those of what is over, in one transaction."""
        over, self._over = self._over, []

        def story(tx: Transaction) -> None:
            for one in over:
                with happening(tx, desk, one.actor) as it:
                    it.log(one.kind, one.told())
            if begun is not None:
                until = moment(begun.since + EVERY)
                with happening(tx, desk, begun.actor) as it:
                    it.log(begun.kind, {**begun.said, **_between(span), "count": 1, "until": until})

        try:
            await database.write(story, quietly=True)
        except BaseException:
            self._over = over + self._over
            raise


def _heard(written: asyncio.Task[None]) -> None:
    """Whoever waits hears of an error; where nobody waits any more, nobody need."""
    if not written.cancelled():
        written.exception()


def _between(span: tuple[int, int] | None) -> dict[str, int]:
    return {} if span is None else {"first": span[0], "last": span[1]}
