"""Must a child's situation be reported, to whom, how, and by when?

1. A jurisdiction's law is rows: whose situation, by whom it is harmed, who receives, how soon, over which channel, what
   follows in writing, from what age a person is no child. Several jurisdictions: the union of recipients and the
   earliest deadline (decision rule 5). Federal rows apply everywhere, tribal rows on all tribal land.
2. Receivers are parts that must all be told ("and"), each by any of its kinds ("or"). A registered recipient of any
   named kind is told; a part that nobody takes is told to a human (`domain.outcome.unrouted`).
3. A row is relied on while it is in effect, has a source, was verified within the bundle's span, and binds the hotline.
   A place without such a row, or without one for how it may be with this child, is unknown, and so is what a row says
   that has no source or went stale: review with the clock running, never silence.
4. Who harmed a child, and how, may be unknown: each possibility is looked at (`World`). A recipient that the law names
   in all of them is owed a report; one that it names only in some is a human's to decide.
5. Deadlines run from the moment the hotline received the signal. A clock that starts at the report starts no earlier,
   so counting from receipt is never later than the law. "Immediately" is read as `Protocol.immediately`.

Not promised: that a row is the law today. Rows carry their source and when it was last looked at; counsel must review
them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from tiprouter.domain.age import Majority
from tiprouter.domain.recipient import NATIONWIDE, Recipient
from tiprouter.domain.record import Jurisdiction
from tiprouter.domain.vocabulary import (
    Answer,
    Bound,
    Clock,
    Confidence,
    DutyState,
    DutySubject,
    Perpetrator,
    RecipientKind,
    ReportChannel,
    SpanUnit,
    WrittenWhen,
)

TRIBAL: Final = "US-TRIBAL"
"""The code of rows that apply on all tribal land; a reservation's own code starts with it."""

KEPT: Final = 1_000
"""So many places and days a protocol keeps the rows of."""

AUTHORITIES: Final = frozenset({RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION})
"""Whom an unknown law may name."""


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time as a statute counts it."""

    amount: int
    unit: SpanUnit


@dataclass(frozen=True, slots=True)
class Written:
    """A report in writing that must follow: how soon after what, and when at all."""

    within: Span
    clock: Clock
    when: WrittenWhen


@dataclass(frozen=True, slots=True)
class DutyRow:
    """One duty of one jurisdiction (rules 1, 2). `hours` None means immediately; `threshold` is an age in years.

    `perpetrator` None means whoever it is; `effective_until` is the first day on which the row no longer applies.
    """

    id: str
    jurisdiction: str
    binds: Bound
    subject: DutySubject
    perpetrator: Perpetrator | None
    receivers: tuple[frozenset[RecipientKind], ...]
    hours: int | None
    channel: ReportChannel
    written: Written | None
    threshold: int
    effective_from: date | None
    effective_until: date | None
    source: str
    source_date: str
    verified_on: date | None
    confidence: Confidence
    citation: str
    note: str

    @property
    def sourced(self) -> bool:
        """Whether anything stands behind the row."""
        return bool(self.source) and self.confidence is not Confidence.NONE

    @property
    def kinds(self) -> frozenset[RecipientKind]:
        """Every kind of recipient that the row names."""
        return frozenset().union(*self.receivers)


@dataclass(frozen=True, slots=True)
class Territory:
    """What a jurisdiction is beside its duties. `zone` is the one in which its days begin last."""

    code: str
    name: str
    zone: tzinfo
    minor_alone: bool
    source: str


@dataclass(frozen=True, slots=True)
class Protocol:
    """The numbers and tables of a bundle that facts are derived with. `rows` are by jurisdiction."""

    rows: Mapping[str, tuple[DutyRow, ...]]
    territories: Mapping[str, Territory]
    bound_as: frozenset[Bound]
    immediately: timedelta
    violence_fresh: timedelta
    stale_after: timedelta
    default_threshold: int
    default_zone: tzinfo
    _relied: dict[tuple[str, date], tuple[DutyRow, ...]] = field(default_factory=dict, repr=False, compare=False)

    def rows_of(self, code: str) -> tuple[DutyRow, ...]:
        """Every row that speaks of a place: its own, tribal land's and the nation's (rule 1)."""
        tribal = self.rows.get(TRIBAL, ()) if code != TRIBAL and code.startswith(f"{TRIBAL}-") else ()
        return (*self.rows.get(code, ()), *tribal, *(self.rows.get(NATIONWIDE, ()) if code != NATIONWIDE else ()))

    def rows_relied_on(self, code: str, today: date) -> tuple[DutyRow, ...]:
        """The rows that speak of a place and decide something today; asked for every person and recipient, so kept."""
        key = (code, today)
        if key not in self._relied:
            if len(self._relied) >= KEPT:
                self._relied.clear()
            self._relied[key] = tuple(row for row in self.rows_of(code) if self.relied_on(row, today))
        return self._relied[key]

    def relied_on(self, row: DutyRow, today: date) -> bool:
        """Whether a row decides anything today (rule 3)."""
        return row.binds in self.bound_as and row.sourced and not self.stale(row, today) and in_effect(row, today)

    def stale(self, row: DutyRow, today: date) -> bool:
        """Whether nobody has looked at a row's source for too long."""
        return row.verified_on is None or today >= row.verified_on + self.stale_after

    def majority(self, code: str) -> Majority:
        """From what age nobody is a child in a place, and when its days begin."""
        territory = self.territories.get(code)
        zone = self.default_zone if territory is None else territory.zone
        own = (row.threshold for row in self.rows_of(code) if row.binds in self.bound_as)
        return Majority(max(own, default=self.default_threshold), zone)

    def turns(self, code: str, now: datetime) -> Iterator[datetime]:
        """The moments after `now` at which time alone changes what a place's rows say."""
        for row in self.rows_of(code):
            stale = None if row.verified_on is None else row.verified_on + self.stale_after
            for day in (row.effective_from, row.effective_until, stale):
                moment = None if day is None else datetime(day.year, day.month, day.day, tzinfo=now.tzinfo)
                if moment is not None and moment > now:
                    yield moment


def in_effect(row: DutyRow, today: date) -> bool:
    """Whether the law that a row tells is in force."""
    begun = row.effective_from is None or row.effective_from <= today
    return begun and (row.effective_until is None or today < row.effective_until)


@dataclass(frozen=True, slots=True)
class World:
    """One way it may be: who harms a child, and whether it is sexual exploitation (rule 4)."""

    perpetrators: frozenset[Perpetrator]
    sexual: bool

    def meets(self, row: DutyRow) -> bool:
        """Whether a row speaks of a child in this world. Every record here is about trafficking."""
        by = row.perpetrator is None or row.perpetrator in self.perpetrators
        return by and (self.sexual or row.subject is not DutySubject.CHILD_SEXUAL_EXPLOITATION)


@dataclass(frozen=True, slots=True)
class Duty:
    """What the table says of one child and one recipient.

    `rows` name it, or may; `within` is how long after receipt at the latest.
    """

    state: DutyState
    rows: tuple[DutyRow, ...]
    within: timedelta | None


NO_DUTY: Final = Duty(DutyState.NOT_REQUIRED, (), None)


def served(places: Iterable[Jurisdiction], recipient: Recipient) -> tuple[Jurisdiction, ...]:
    """The record's jurisdictions that this recipient serves, or may serve."""
    return tuple(place for place in places if recipient.serves(place) is not Answer.NO)


def duty_toward(
    recipient: Recipient, places: Sequence[Jurisdiction], worlds: Sequence[World], protocol: Protocol, today: date
) -> Duty:
    """Whether a child's situation in these places must be told to this recipient (rules 1-5)."""
    here = served(places, recipient)
    doubted = any(_doubted(place, recipient.kind, worlds, protocol, today) for place in here)
    rows = tuple(dict.fromkeys(row for place in here for row in relied_on(place.code, protocol, today)))
    naming = [[row for row in rows if recipient.kind in row.kinds and world.meets(row)] for world in worlds]
    named = tuple(row for row in rows if any(row in some for some in naming))
    if named and all(naming):
        return Duty(DutyState.REQUIRED, named, min(within(row, protocol) for row in named))
    unknown = not here or doubted or any(_silent(place, worlds, protocol, today) for place in here)
    if recipient.kind in AUTHORITIES and unknown:
        return Duty(DutyState.UNKNOWN, named, protocol.immediately)
    if named:
        return Duty(DutyState.UNKNOWN, named, min(within(row, protocol) for row in named))
    return NO_DUTY


def relied_on(code: str, protocol: Protocol, today: date, *, own: bool = False) -> tuple[DutyRow, ...]:
    """The rows that speak of a place and decide; `own` leaves the nation's out: they are no state's law."""
    rows = protocol.rows_relied_on(code, today)
    if not own or code == NATIONWIDE:
        return rows
    return tuple(row for row in rows if row.jurisdiction != NATIONWIDE)


def _doubted(
    place: Jurisdiction, kind: RecipientKind, worlds: Sequence[World], protocol: Protocol, today: date
) -> bool:
    """Whether a row in effect that may name this kind is one that nobody can rely on any more."""
    relied = protocol.rows_relied_on(place.code, today)
    return any(
        row not in relied
        and row.binds in protocol.bound_as
        and in_effect(row, today)
        and kind in (row.kinds or AUTHORITIES)
        and any(world.meets(row) for world in worlds)
        for row in protocol.rows_of(place.code)
    )


def _silent(place: Jurisdiction, worlds: Sequence[World], protocol: Protocol, today: date) -> bool:
    """Whether a place's own law, as far as it can be relied on, says nothing about some way it may be."""
    own = relied_on(place.code, protocol, today, own=True)
    return not all(any(world.meets(row) for row in own) for world in worlds)


def within(row: DutyRow, protocol: Protocol) -> timedelta:
    """How long after receipt a row's report is late."""
    return protocol.immediately if row.hours is None else timedelta(hours=row.hours)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a duty: one of these kinds must be told of a child in this place (rule 2).

    `row` is None where no row says it; then any authority may be the one.
    """

    place: Jurisdiction
    kinds: frozenset[RecipientKind]
    row: DutyRow | None


def parts(places: Sequence[Jurisdiction], worlds: Sequence[World], protocol: Protocol, today: date) -> Iterator[Part]:
    """Everything that must be told about a child in these places."""
    for place in places:
        rows = relied_on(place.code, protocol, today)
        if _silent(place, worlds, protocol, today):
            yield Part(place, AUTHORITIES, None)
        for row in rows:
            if any(world.meets(row) for world in worlds):
                yield from (Part(place, kinds, row) for kinds in row.receivers)


def deadline_somewhere(
    places: Sequence[Jurisdiction], protocol: Protocol, received_at: datetime, today: date
) -> datetime:
    """When a duty toward anybody breaks at the earliest, an unknown duty's at once: for when no recipient is found."""
    spans = []
    for place in places:
        if place.code != NATIONWIDE:
            rows = relied_on(place.code, protocol, today, own=True)
            spans += [within(row, protocol) for row in rows] or [protocol.immediately]
    return received_at + min(spans, default=protocol.immediately)
