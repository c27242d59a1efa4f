"""Which entries of the log name an id or a word, and which are of a period?

1. An entry names every id of a record, recipient, decision, disclosure or delivery that is a value in it, in whatever
   member, and the values of its members `actor`, `actor_class`, `bundle` and `outcome`. So a record's entries hold who
   looked at it, and a decision's the disclosure that rests on it.
2. It is kept of each bundle of 256 entries which words they name and from when to when they are, not of each entry:
   that is a fifth of the rows, and the sequencer's batch pays for them. Which of the 256 it is the database finds in
   their bytes: no value of an entry holds a quote, so none can be feigned.
3. Entries are in the order of their commits, which is almost that of their times: a period's bundles are found by what
   is kept of each, in whatever order they are.
4. A page reads at most `BUNDLES_MAX` bundles that name all the words; or at most `WINDOW` entries of the kinds, or of
   all. So no question reads more, and a page may be short, even empty, and still have a next one.
5. Pages are by index: below it, newest first; or above it, oldest first, so that whoever follows the log misses none.
6. Agencies of a kind or a place that are few lead by what names them; many are looked for among all, as is whatever an
   entry does not say itself (`storage/log_reasons.py`). A page reads no more for it.

Not promised: that an answer is whole when somebody changed the database. These tables are no evidence, the tree is.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from tiprouter.storage import many_rows
from tiprouter.storage.among import among
from tiprouter.storage.log_reasons import Besides, agencies, kept
from tiprouter.storage.log_tables import log_mentions, log_spans
from tiprouter.storage.searches import ARMS_MAX
from tiprouter.storage.tables import log_entries
from tiprouter.storage.treelog import EntryRow, Told

BUNDLE: Final = 256
"""Entries of an entry bundle (C2SP tlog-tiles)."""

BUNDLES_MAX: Final = 24
WINDOW: Final = 1_000
ANYTHING: Final = Besides()
_SPANS: Final = sa.table(log_spans.name, *(sa.column(one.name, sa.BigInteger) for one in log_spans.c))
"""As the sequencer writes it: times are whole microseconds already."""

_IDS: Final = re.compile(
    rb'_[0-9A-Z]{26}"(?:(?<=("(?:tip|rcp|dec|dis|msg)_.{26}"))|(?<=("case_.{26}")))',
    re.DOTALL,
)
"""An id that is a value. An entry has twelve times as many quotes as underscores: so it is found from there."""

_MEMBERS: Final = re.compile(rb'"(?:actor|actor_class|bundle|outcome)":"[^"]*"')


@dataclass(frozen=True, slots=True)
class Sought:
    """What a question about the log's entries is about; nothing means any.

    An entry is of one of the `kinds`, names every one of the `ids`, and has every one of the `members` with its value.
    `until` is not included, and neither is anything from index `below` on. `upward`: oldest first. `actor` made it
    happen; `besides` is what rows know of whom and what it names, and `toward` the agencies that `found` finds for it.
    """

    kinds: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    members: tuple[tuple[str, str], ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    below: int | None = None
    upward: bool = False
    actor: str | None = None
    besides: Besides = ANYTHING
    toward: frozenset[str] | None = None

    @property
    def about(self) -> str | None:
        """The first id that is asked about."""
        return self.ids[0] if self.ids else None

    @property
    def words(self) -> tuple[str, ...]:
        """What must stand in an entry's bytes, and leads to it."""
        members = (*([] if self.actor is None else [("actor", self.actor)]), *self.members)
        return (*(f'"{one}"' for one in self.ids), *(f'"{name}":"{value}"' for name, value in members))

    @property
    def leading(self) -> tuple[str, ...]:
        """Words of which one must stand in an entry's bytes, where they are few enough to lead to it (rule 6)."""
        few = self.toward is not None and len(self.toward) <= ARMS_MAX
        return tuple(f'"{one}"' for one in sorted(self.toward or ())) if few else ()

    @property
    def tried(self) -> bool:
        """Whether candidates are tried on more than what leads to them."""
        return self.since is not None or self.until is not None or self.besides != ANYTHING


@dataclass(frozen=True, slots=True)
class Found:
    """The entries of a page, and the index that the next one goes on from (None: there is none)."""

    rows: tuple[EntryRow, ...]
    following: int | None


def words_of(entries: bytes) -> set[str]:
    """Everything that an entry, or several in a row, name (rule 1), as it stands in them."""
    return {one.decode("ascii") for one in {*_ids_of(entries), *_MEMBERS.findall(entries)}}


def _ids_of(entries: bytes) -> set[bytes]:
    return {one or other for one, other in {*_IDS.findall(entries)}}


class Mentions:
    """What some entries name, and from when to when they are (rule 2); gathered on the way, then kept."""

    def __init__(self) -> None:
        self._words: list[tuple[str, int]] = []
        self._spans: list[dict[str, int]] = []

    def gather(self, entries: Sequence[Told]) -> None:
        """Take note of entries, in the order of their indices."""
        for bundle, some in _by_bundle(entries):
            named = words_of(b"".join([entry for _, _, _, entry in some]))
            self._words += [(one, bundle) for one in sorted(named)]
            times = [at for _, _, at, _ in some]
            self._spans.append({"bundle": bundle, "first_at": min(times), "last_at": max(times)})

    def keep(self, tx: Connection, size: int) -> None:
        """Store it. Of bundles that a log of `size` entries had not begun, nothing is kept yet."""
        known: list[tuple[str, int]] = []
        new: list[tuple[str, int]] = []
        # In the order of the key, which both databases take faster; what is in order already is only merged.
        for row in sorted(self._words):
            (known if row[1] * BUNDLE < size else new).append(row)
        if known:
            _add_words(tx, known)
        if new:
            # Asked for each whether it is there, PostgreSQL takes them three times as long.
            many_rows.add(tx, log_mentions, ("word", "bundle"), new)
        if self._spans:
            _add_spans(tx, self._spans)


def add_missing(tx: Connection, entries: Sequence[Told]) -> None:
    """Store what of this is not yet kept of stored entries."""
    mentions = Mentions()
    mentions.gather(entries)
    if entries:
        mentions.keep(tx, entries[-1][0] + 1)


def begun(tx: Connection) -> int:
    """The first index of the last bundle of which everything is kept.

    A keeper of the version before may have stored more, after the migration, and kept less of it: its bundles end in an
    entry whose words are not all there.
    """
    last = tx.execute(sa.select(sa.func.max(log_spans.c.bundle))).scalar_one()
    bundle = 0 if last is None else int(last)
    while bundle and not _kept(tx, bundle):
        bundle -= 1
    return bundle * BUNDLE


def _kept(tx: Connection, bundle: int) -> bool:
    """Whether everything is kept that the last entry of a bundle names."""
    index = log_entries.c.index
    query = sa.select(log_entries.c.entry).where(index >= bundle * BUNDLE, index < (bundle + 1) * BUNDLE)
    entry = tx.execute(query.order_by(index.desc()).limit(1)).scalar_one()
    words = sorted(words_of(entry))
    there = sa.select(sa.func.count()).where(log_mentions.c.bundle == bundle, among(tx, log_mentions.c.word, words))
    return bool(tx.execute(there).scalar_one() == len(words))


def _by_bundle(entries: Sequence[Told]) -> Iterator[tuple[int, Sequence[Told]]]:
    """The entries of each bundle, which it has without a gap."""
    start = 0
    while start < len(entries):
        bundle, within = divmod(entries[start][0], BUNDLE)
        end = start + BUNDLE - within
        yield bundle, entries[start:end]
        start = end


def _add_words(tx: Connection, rows: list[tuple[str, int]]) -> None:
    if tx.dialect.name == "sqlite":
        tx.exec_driver_sql("INSERT OR IGNORE INTO log_mentions (word, bundle) VALUES (?, ?)", rows)
        return
    tx.exec_driver_sql(
        "INSERT INTO log_mentions (word, bundle) SELECT * FROM unnest($1::varchar[], $2::bigint[])"
        " ON CONFLICT DO NOTHING",
        ([one for one, _ in rows], [bundle for _, bundle in rows]),
    )


def _add_spans(tx: Connection, spans: Sequence[dict[str, int]]) -> None:
    lite = tx.dialect.name == "sqlite"
    least, most = (sa.func.min, sa.func.max) if lite else (sa.func.least, sa.func.greatest)
    new = (sqlite.insert if lite else postgresql.insert)(_SPANS)
    wider = {
        "first_at": least(_SPANS.c.first_at, new.excluded.first_at),
        "last_at": most(_SPANS.c.last_at, new.excluded.last_at),
    }
    tx.execute(new.on_conflict_do_update(index_elements=("bundle",), set_=wider), spans)


def found(tx: Connection, sought: Sought, after: int | None, limit: int) -> Found:
    """The page below index `after`, newest first; or above it, oldest first (rules 4, 5)."""
    sought = replace(sought, toward=agencies(tx, sought.besides))
    if sought.toward is not None and not sought.toward:
        return Found((), None)
    low, high = _bounds(tx, sought)
    if after is not None:
        low, high = (max(low, after + 1), high) if sought.upward else (low, min(high, after))
    if low >= high:
        return Found((), None)
    way = _Way(low, high, sought.upward)
    led = sought.words or sought.leading
    return _by_words(tx, sought, way, limit) if led else _by_index(tx, sought, way, limit)


@dataclass(frozen=True, slots=True)
class _Way:
    """The indices that a page walks, [low, high), and in which direction."""

    low: int
    high: int
    upward: bool

    def order(self, column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """The order of the walk."""
        return column if self.upward else column.desc()

    def within(self, column: sa.ColumnElement[int]) -> Sequence[sa.ColumnElement[bool]]:
        """What a column that holds indices must meet."""
        return (column >= self.low, column < self.high)


def _bounds(tx: Connection, sought: Sought) -> tuple[int, int]:
    """The indices between which the period lies, the last one excluded (rule 3)."""
    low, high = 0, 2**53 if sought.below is None else sought.below
    if sought.since is None and sought.until is None:
        return low, high
    query = sa.select(sa.func.min(log_spans.c.bundle), sa.func.max(log_spans.c.bundle))
    if sought.since is not None:
        query = query.where(log_spans.c.last_at >= sought.since)
    if sought.until is not None:
        query = query.where(log_spans.c.first_at < sought.until)
    first, last = tx.execute(query).one()
    return (0, 0) if first is None else (first * BUNDLE, min(high, (last + 1) * BUNDLE))


def _by_words(tx: Connection, sought: Sought, way: _Way, limit: int) -> Found:
    """A page of the entries that name all the words, from bundle to bundle."""
    rows: list[EntryRow] = []
    bundles = _bundles(tx, sought, way)
    for part in _parts(bundles[:BUNDLES_MAX], way):
        rows += _matching(tx, sought, part.within(log_entries.c.index), way, limit + 1 - len(rows))
        if len(rows) > limit:
            return Found(tuple(rows[:limit]), rows[limit - 1].index)
    if len(bundles) <= BUNDLES_MAX:
        return Found(tuple(rows), None)
    last = bundles[BUNDLES_MAX - 1] * BUNDLE
    return Found(tuple(rows), last + BUNDLE - 1 if way.upward else last)


def _parts(bundles: Sequence[int], way: _Way) -> Iterator[_Way]:
    """The indices of these bundles: of one, then of two neighbours together, of four, and so on.

    What is common stands in each bundle, and often enough in the first; what is not found there is asked for at once.
    """
    start = 0
    while start < len(bundles):
        end = start + 1
        while end < len(bundles) and end < 2 * start + 1 and abs(bundles[end] - bundles[end - 1]) == 1:
            end += 1
        low, high = sorted((bundles[start], bundles[end - 1]))
        yield _Way(max(way.low, low * BUNDLE), min(way.high, (high + 1) * BUNDLE), way.upward)
        start = end


def _bundles(tx: Connection, sought: Sought, way: _Way) -> Sequence[int]:
    """The first bundles of the walk that name every word, one more than a page reads; an arm for each that leads."""
    first = sought.leading or sought.words[:1]
    rest = sought.words if sought.leading else sought.words[1:]
    arms = [sa.select(_naming(one, rest, way).subquery()) for one in first]
    query: Any = sa.union(*arms) if len(arms) > 1 else arms[0]
    return sorted(tx.execute(query).scalars(), reverse=not way.upward)[: BUNDLES_MAX + 1]


def _naming(word: str, rest: Sequence[str], way: _Way) -> sa.Select[Any]:
    lead = log_mentions.alias("lead")
    query = sa.select(lead.c.bundle).where(lead.c.word == word)
    query = query.where(lead.c.bundle >= way.low // BUNDLE, lead.c.bundle <= (way.high - 1) // BUNDLE)
    for one in rest:
        too = log_mentions.alias()
        query = query.where(sa.exists().where(too.c.word == one, too.c.bundle == lead.c.bundle))
    return query.order_by(way.order(lead.c.bundle)).limit(BUNDLES_MAX + 1)


def _by_index(tx: Connection, sought: Sought, way: _Way, limit: int) -> Found:
    """A page of the entries of some kinds, or of any."""
    share = max(WINDOW, limit + 1) if sought.tried else limit + 1
    kind, index = log_entries.c.kind, log_entries.c.index
    arms = [
        sa.select(index.label("place")).where(*of, *way.within(index)).order_by(way.order(index)).limit(share)
        for of in ([[kind == one] for one in sought.kinds] or [[]])
    ]
    query: Any = sa.union_all(*(sa.select(one.subquery()) for one in arms)) if len(arms) > 1 else arms[0]
    candidates = sorted(tx.execute(query).scalars(), reverse=not way.upward)[:share]
    rows: list[EntryRow] = []
    first, size = 0, 2 * limit  # often the nearest few are enough
    while first < len(candidates):
        some = candidates[first : first + size]
        rows += _matching(tx, sought, (among(tx, index, some),), way, limit + 1 - len(rows))
        if len(rows) > limit:
            return Found(tuple(rows[:limit]), rows[limit - 1].index)
        first, size = first + size, 4 * size
    return Found(tuple(rows), candidates[-1] if len(candidates) == share else None)


def _matching(
    tx: Connection, sought: Sought, among: Iterable[sa.ColumnElement[bool]], way: _Way, limit: int
) -> list[EntryRow]:
    """The first `limit` entries among these that meet every condition (rule 2)."""
    query = sa.select(log_entries).where(*among).order_by(way.order(log_entries.c.index))
    if sought.kinds:
        query = query.where(log_entries.c.kind.in_(sought.kinds))
    if sought.since is not None:
        query = query.where(log_entries.c.at >= sought.since)
    if sought.until is not None:
        query = query.where(log_entries.c.at < sought.until)
    for one in sought.words:
        query = query.where(_holds(tx, one))
    if sought.leading:
        query = query.where(sa.or_(*(_holds(tx, one) for one in sought.leading)))
    known = replace(sought.besides, recipient_kind=None, jurisdiction=None) if sought.leading else sought.besides
    alone = known == ANYTHING
    rows = tx.execute(query.limit(limit) if alone else query).mappings().all()
    if alone:
        return [EntryRow(**row) for row in rows]
    named = {row["index"]: {one[1:-1].decode("ascii") for one in _ids_of(row["entry"])} for row in rows}
    tells = kept(tx, named, sought.besides, sought.toward)
    return [EntryRow(**row) for row in rows if row["index"] in tells][:limit]


def _holds(tx: Connection, one: str) -> sa.ColumnElement[bool] | sa.TextClause:
    """Whether an entry's bytes hold a word."""
    spelt = sa.bindparam("spelt", one.encode("ascii"), sa.LargeBinary, unique=True)
    if tx.dialect.name == "sqlite":
        return sa.func.instr(log_entries.c.entry, spelt) > 0
    return sa.text("position(:spelt IN log_entries.entry) > 0").bindparams(spelt)
