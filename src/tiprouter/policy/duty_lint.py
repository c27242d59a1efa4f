"""What is doubtful about a duty table that can be read?

1. Error: the table is wrong. Two rows answer one question differently, or a row was verified on a day yet to come.
2. Warning: a child's situation goes to review, or soon will, or rests on little: a place without a row to rely on, one
   gone or going stale, an effective date with nothing after it, a perpetrator of whom no row speaks, low confidence,
   a source that is not https, a place that only one of the two tables knows.
3. Note: what a person must do or know: a call, a report in writing, another age than the default, a duty of others.
4. Places come in the order of their codes, each with its complaints in the order above.

Not promised: that a table without complaints tells the law. Only counsel can.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum, unique
from itertools import combinations, product
from typing import Final

from tiprouter.domain.duty import TRIBAL, DutyRow, Protocol, World
from tiprouter.domain.recipient import NATIONWIDE
from tiprouter.domain.vocabulary import Confidence, Perpetrator

SOON: Final = timedelta(days=90)
"""How long before a row goes stale somebody is told."""

_ISO: Final = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA "
    "RI SC SD TN TX UT VT VA WA WV WI WY DC AS GU MP PR VI"
)
PLACES: Final = frozenset({TRIBAL, *(f"US-{code}" for code in _ISO.split())})
"""Fifty states, the district, five territories (ISO 3166-2:US) and tribal land."""

"""Channels that only a person can use."""


@unique
class Severity(StrEnum):
    """How bad a complaint is (rules 1-3)."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something doubtful about a place's duties. `row` is the id of the row meant, None when it is the place."""

    severity: Severity
    jurisdiction: str
    row: str | None
    sentence: str


def lint(protocol: Protocol, today: date) -> Iterator[Complaint]:
    """Every complaint about a bundle's duty rows and jurisdictions as of a day (rules 1-4)."""
    for code in sorted(PLACES | set(protocol.rows) | set(protocol.territories)):
        rows = protocol.rows.get(code, ())
        found = [*_place(code, protocol, today), *_dates(rows), *_contradictions(rows)]
        for row in rows:
            found += _row(row, protocol, today)
        yield from sorted(found, key=lambda complaint: tuple(Severity).index(complaint.severity))


def unreliable(code: str, protocol: Protocol, today: date) -> str | None:
    """Why every child's situation in a place goes to review; None when a row of its own can be relied on."""
    rows = protocol.rows.get(code, ())
    reasons = [_unreliable(row, protocol, today) for row in rows]
    if None in reasons:
        return None
    return "; ".join(f"{row.id} {why}" for row, why in zip(rows, reasons, strict=True)) or "it has no row"


def _unreliable(row: DutyRow, protocol: Protocol, today: date) -> str | None:
    checks: tuple[tuple[Callable[[], bool], str], ...] = (
        (lambda: not row.sourced, "has no source"),
        (lambda: row.binds not in protocol.bound_as, f"binds others ({row.binds})"),
        (lambda: protocol.stale(row, today), "was not verified within the bundle's span"),
        (lambda: row.effective_from is not None and today < row.effective_from, "is not yet in effect"),
        (lambda: row.effective_until is not None and today >= row.effective_until, "is no longer in effect"),
    )
    return next((why for check, why in checks if check()), None)


def _place(code: str, protocol: Protocol, today: date) -> Iterator[Complaint]:
    """What is doubtful about a place as a whole."""
    if code == NATIONWIDE:
        return
    why = unreliable(code, protocol, today)
    if why is not None:
        sentence = f"every child's situation goes to review with the clock running: {why}"
        yield Complaint(Severity.WARNING, code, None, sentence)
    if code not in protocol.territories:
        sentence = f"no row of jurisdictions.csv says when its day begins; {protocol.default_zone} is used"
        yield Complaint(Severity.WARNING, code, None, sentence)
    rows = [row for row in protocol.rows.get(code, ()) if protocol.relied_on(row, today)]
    for perpetrator, sexual in product(Perpetrator, (True, False)) if rows else ():
        if not any(World(frozenset({perpetrator}), sexual).meets(row) for row in rows):
            what = "sexually exploited" if sexual else "trafficked for anything else"
            sentence = f"no row speaks of a child who is {what} where the perpetrator is: {perpetrator}"
            yield Complaint(Severity.WARNING, code, None, sentence)


def _question(row: DutyRow) -> tuple[str | None, ...]:
    """What a row answers: rows that answer one question should follow one another, not contradict."""
    return (row.binds, row.subject, row.perpetrator)


def _dates(rows: tuple[DutyRow, ...]) -> Iterator[Complaint]:
    """Rows that end with nothing to follow them."""
    for row in rows:
        end = row.effective_until
        if end is None:
            continue
        others = [other for other in rows if other is not row and _question(other) == _question(row)]
        if any((o.effective_from or date.min) <= end < (o.effective_until or date.max) for o in others):
            continue
        later = min((o.effective_from for o in others if o.effective_from and o.effective_from > end), default=None)
        then = "nothing follows it" if later is None else f"the next one begins on {later}"
        yield Complaint(Severity.WARNING, row.jurisdiction, row.id, f"it ends before {end} and {then}")


def _contradictions(rows: tuple[DutyRow, ...]) -> Iterator[Complaint]:
    """Rows that say two things of one question at one time."""
    for one, other in combinations(rows, 2):
        at_once = (one.effective_from or date.min) < (other.effective_until or date.max) and (
            other.effective_from or date.min
        ) < (one.effective_until or date.max)
        if not at_once or _question(one) != _question(other) or not one.kinds & other.kinds:
            continue
        if one.hours != other.hours:
            sentence = f"it and {other.id} give one receiver two deadlines for the same; the earlier decides"
            yield Complaint(Severity.ERROR, one.jurisdiction, one.id, sentence)
        else:
            sentence = f"it and {other.id} name the same receiver for the same"
            yield Complaint(Severity.NOTE, one.jurisdiction, one.id, sentence)


def _row(row: DutyRow, protocol: Protocol, today: date) -> Iterator[Complaint]:
    """What is doubtful about one row."""
    if row.verified_on is not None and row.verified_on > today:
        yield Complaint(Severity.ERROR, row.jurisdiction, row.id, f"it says it was verified on {row.verified_on}")
    doubts = (*_freshness(row, protocol, today), *_grounds(row))
    yield from (Complaint(Severity.WARNING, row.jurisdiction, row.id, sentence) for sentence in doubts)
    yield from (Complaint(Severity.NOTE, row.jurisdiction, row.id, sentence) for sentence in _notes(row, protocol))


def _freshness(row: DutyRow, protocol: Protocol, today: date) -> Iterator[str]:
    if not row.sourced:
        return
    if row.verified_on is None:
        yield "nobody says when it was compared with its source, so it is not relied on"
    elif protocol.stale(row, today):
        yield f"it was last compared with its source on {row.verified_on} and is no longer relied on"
    elif protocol.stale(row, today + SOON):
        yield f"it goes stale on {row.verified_on + protocol.stale_after}; compare it with its source again"
    if row.effective_from is not None and row.effective_from > today:
        yield f"it takes effect on {row.effective_from}"


def _grounds(row: DutyRow) -> Iterator[str]:
    if row.confidence is Confidence.LOW:
        yield "its source is secondary, undated or conflicting"
    if row.source and not row.source.startswith("https://"):
        yield "its source is not an https address"


def _notes(row: DutyRow, protocol: Protocol) -> Iterator[str]:
    if row.binds not in protocol.bound_as:
        yield f"it binds others ({row.binds}) and decides nothing here"
        return
    if row.channel.spoken:
        yield f"only a person can discharge it: {row.channel}"
    if row.written is not None:
        yield f"a report in writing must follow ({row.written.when})"
    if row.threshold != protocol.default_threshold:
        yield f"people under {row.threshold} are children, not {protocol.default_threshold} as elsewhere"
