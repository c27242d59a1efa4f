"""Must a child's situation be reported, to whom, and by when?

1. Each jurisdiction has one row: who receives, how soon, from what age a person is no child. Several jurisdictions:
   the union of recipients and the earliest deadline (decision rule 5).
2. "A or B" in a statute names both here: a duty to every authority its table names.
3. A row without a source, or no row at all, is unknown: review with the clock running, never silence.
4. Deadlines run from the moment the hotline received the signal. "Immediately" is read as `Protocol.immediately`.

Not promised: that a row is the law today. Rows carry their source; counsel must review them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tiprouter.domain.recipient import NATIONWIDE, Recipient
from tiprouter.domain.record import Jurisdiction
from tiprouter.domain.vocabulary import Answer, DutyState, RecipientKind


@dataclass(frozen=True, slots=True)
class DutyRow:
    """One jurisdiction's child-report duty. `hours` None means immediately; `threshold` is an age in years."""

    jurisdiction: str
    receivers: frozenset[RecipientKind]
    hours: int | None
    written_hours: int | None
    threshold: int
    telephone_only: bool
    minor_alone: bool
    sourced: bool
    source: str
    source_date: str
    citation: str


@dataclass(frozen=True, slots=True)
class Protocol:
    """The numbers and tables of a bundle that facts are derived with."""

    duties: Mapping[str, DutyRow]
    immediately: timedelta
    violence_fresh: timedelta
    default_threshold: int = 18

    def threshold(self, code: str) -> int:
        """The age, in years, from which a person is an adult in this jurisdiction."""
        row = self.duties.get(code)
        return row.threshold if row is not None else self.default_threshold


@dataclass(frozen=True, slots=True)
class Duty:
    """What the table says of one recipient: whether it is named, and how long after receipt at the latest."""

    state: DutyState
    within: timedelta | None


def served(places: Iterable[Jurisdiction], recipient: Recipient) -> tuple[Jurisdiction, ...]:
    """The record's jurisdictions that this recipient serves, or may serve."""
    return tuple(place for place in places if recipient.serves(place) is not Answer.NO)


def duty_toward(recipient: Recipient, places: tuple[Jurisdiction, ...], protocol: Protocol) -> Duty:
    """Whether a child's situation in these places must be told to this recipient (rules 1-4)."""
    rows = [protocol.duties.get(place.code) for place in served(places, recipient)]
    naming = [row for row in rows if row is not None and row.sourced and recipient.kind in row.receivers]
    if naming:
        return Duty(DutyState.REQUIRED, min(_within(row, protocol) for row in naming))
    authority = recipient.kind in (RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION)
    if authority and (not rows or any(row is None or not row.sourced for row in rows)):
        return Duty(DutyState.UNKNOWN, protocol.immediately)
    return Duty(DutyState.NOT_REQUIRED, None)


def deadline_somewhere(places: tuple[Jurisdiction, ...], protocol: Protocol, received_at: datetime) -> datetime:
    """When a duty toward anybody breaks at the earliest, an unknown duty's at once: for when no recipient is found."""
    rows = [protocol.duties.get(place.code) for place in places if place.code != NATIONWIDE]
    within = [_within(row, protocol) if row is not None and row.sourced else protocol.immediately for row in rows]
    return received_at + min(within, default=protocol.immediately)


def _within(row: DutyRow, protocol: Protocol) -> timedelta:
    return protocol.immediately if row.hours is None else timedelta(hours=row.hours)
