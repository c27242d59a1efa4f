"""Which decisions and disclosures does an auditor's question match, and what may one page of it cost?

1. Pages are by id, newest first. Ids are of the moment they were made, so `since` and `until` are a range of the key.
2. One condition leads: the one that an index answers in the order of the key. It names the newest `WINDOW` candidates
   below the page's beginning; every other condition is tried on these alone. So no question reads more than that, and
   a page may be short, even empty, and still have a next one.
3. The registry is small: agencies of a kind or a place are found first. Of a few, each one's rows are taken from that
   agency's index; many are looked for among all rows, of which they have many.
4. A place matches itself and what lies in it: `US-TX` matches `US-TX` and `US-TX-201`, never `US`.
5. A disclosure is matched by outcome, policy, basis or bundle when one of its decisions is; a decision by lateness when
   a disclosure that rests on it is (`storage/reasons.py`).

Not promised: that rows made while somebody walks are seen; they are newer than where the walk began.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter import ids
from tiprouter.domain.lateness import ENDED_UNDELIVERED, Lateness
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Basis, Outcome, RecipientKind, RecordKind
from tiprouter.storage import reasons
from tiprouter.storage.among import among
from tiprouter.storage.disclosures import Disclosure
from tiprouter.storage.tables import decisions, deliveries, disclosures, recipients

WINDOW: Final = 1_000
"""So many candidates does one page look at, at most (rule 2)."""

ARMS_MAX: Final = 32
"""So many agencies' own indexes lead at once; the rows of more are looked for among all (rule 3)."""

_ROUNDED: Final = timedelta(milliseconds=1)
_LATE: Final = sa.text("deliveries.state = 'delivered' AND deliveries.finished_at > deliveries.deadline")
_UNMET: Final = sa.text("deliveries.state NOT IN ('delivered', 'cancelled')")
"""As the partial indexes spell them: a database finds those by their words."""


@dataclass(frozen=True, slots=True)
class Search:
    """What a question is about; None means any. `until` is not included.

    `policy` is a policy's id, `basis` what the facts say of the record. `person_id` and `current` are asked of
    decisions, `state` of disclosures.
    """

    since: datetime | None = None
    until: datetime | None = None
    record_id: str | None = None
    person_id: str | None = None
    recipient_id: str | None = None
    jurisdiction: str | None = None
    recipient_kind: RecipientKind | None = None
    record_kind: RecordKind | None = None
    policy: str | None = None
    basis: Basis | None = None
    outcome: Outcome | None = None
    bundle: str | None = None
    current: bool | None = None
    state: DeliveryState | None = None
    lateness: Lateness | None = None


@dataclass(frozen=True, slots=True)
class Keys:
    """The ids of a page, newest first, and where the next one begins (None: nowhere)."""

    ids: tuple[str, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class _Lead:
    """The column whose index leads, and the conditions it answers, one arm each (rules 2, 3)."""

    key: sa.ColumnElement[str]
    arms: tuple[tuple[sa.ColumnElement[bool] | sa.TextClause, ...], ...] = ((),)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question taken apart: whose ids, what leads, and what every candidate `of` the table must meet besides.

    `because` is what one of the decisions that a candidate names must meet; `told` is how a disclosure that rests on
    the candidate stands to its deadline, as seen from a moment.
    """

    prefix: str
    wanted: Search
    lead: _Lead
    of: sa.Select[Any]
    rest: Sequence[sa.ColumnElement[bool]]
    because: Sequence[sa.ColumnElement[bool]] = ()
    told: tuple[Lateness, datetime] | None = None


def decision_keys(tx: Connection, wanted: Search, after: str | None, limit: int, now: datetime) -> Keys:
    """The ids of the decisions that match; `now` decides what is overdue."""
    agencies = _agencies(tx, wanted)
    if agencies is not None and not agencies:
        return Keys((), None)
    lead, rest = _leading_decisions(wanted, agencies)
    rest += _exactly(decisions, decisions.c.decided_at, wanted)
    if wanted.person_id is not None:
        rest.append(decisions.c.person_id == wanted.person_id)
    if wanted.current is not None:
        rest.append(decisions.c.current == wanted.current)
    rest += reasons.because(wanted.policy, wanted.basis)
    of = sa.select(decisions.c.id, decisions.c.record_id)
    told = None if wanted.lateness is None else (wanted.lateness, now)
    return _page(tx, _Asked("dec", wanted, lead, of, rest, told=told), after, limit)


def disclosure_keys(tx: Connection, wanted: Search, after: str | None, limit: int, now: datetime) -> Keys:
    """The ids of the disclosures and recalls that match; `now` decides what is overdue."""
    agencies = _agencies(tx, wanted)
    if agencies is not None and not agencies:
        return Keys((), None)
    lead, rest = _leading_disclosures(wanted, agencies)
    rest += _exactly(disclosures, disclosures.c.made_at, wanted)
    rest += _of_delivery(wanted, now)
    of = sa.select(disclosures.c.id, disclosures.c.decisions)
    if wanted.state is not None or wanted.lateness is not None:
        of = of.join(deliveries, deliveries.c.disclosure_id == disclosures.c.id)
    return _page(tx, _Asked("dis", wanted, lead, of, rest, _of_decisions(wanted)), after, limit)


def _leading_decisions(wanted: Search, agencies: Sequence[str] | None) -> tuple[_Lead, list[sa.ColumnElement[bool]]]:
    """Rule 2: one's record, one's recipient, several recipients, an outcome, a bundle, or the key itself."""
    key, theirs = decisions.c.id, decisions.c.recipient_id
    conditions: list[sa.ColumnElement[bool]] = [
        decisions.c[name] == getattr(wanted, name)
        for name in ("record_id", "recipient_id", "outcome", "bundle")
        if getattr(wanted, name) is not None
    ]
    alone = wanted.record_id is not None or wanted.recipient_id is not None
    if agencies is None or alone or len(agencies) > ARMS_MAX:
        among = [] if agencies is None else [theirs.in_(agencies)]
        return _Lead(key, (tuple(conditions[:1]),)), [*conditions[1:], *among]
    return _Lead(key, tuple((theirs == one,) for one in agencies)), conditions


def _leading_disclosures(wanted: Search, agencies: Sequence[str] | None) -> tuple[_Lead, list[sa.ColumnElement[bool]]]:
    """Rule 2: one's record, one's recipient, what is late or has not arrived, several recipients, or the key."""
    key, theirs = disclosures.c.id, disclosures.c.recipient_id
    conditions: list[sa.ColumnElement[bool]] = [
        disclosures.c[name] == getattr(wanted, name)
        for name in ("record_id", "recipient_id")
        if getattr(wanted, name) is not None
    ]
    among: list[sa.ColumnElement[bool]] = [] if agencies is None else [theirs.in_(agencies)]
    if conditions:
        return _Lead(key, (tuple(conditions[:1]),)), [*conditions[1:], *among]
    if wanted.lateness is Lateness.LATE:
        return _Lead(deliveries.c.disclosure_id, ((_LATE,),)), among
    arrived = (DeliveryState.DELIVERED, DeliveryState.CANCELLED)
    if wanted.lateness is Lateness.NEVER or (wanted.state is not None and wanted.state not in arrived):
        return _Lead(deliveries.c.disclosure_id, ((_UNMET,),)), among
    if agencies is not None and len(agencies) <= ARMS_MAX:
        return _Lead(key, tuple((theirs == one,) for one in agencies)), []
    return _Lead(key), among


def _exactly(table: sa.Table, made: sa.ColumnElement[datetime], wanted: Search) -> list[sa.ColumnElement[bool]]:
    """What both kinds are asked beside the key: to the microsecond, and which kind of record."""
    found: list[sa.ColumnElement[bool]] = []
    if wanted.since is not None:
        found.append(made >= wanted.since)
    if wanted.until is not None:
        found.append(made < wanted.until)
    if wanted.record_kind is not None:
        found.append(table.c.record_id.startswith(f"{wanted.record_kind.value}_", autoescape=True))
    return found


def _of_delivery(wanted: Search, now: datetime) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.state is not None:
        found.append(deliveries.c.state == wanted.state)
    match wanted.lateness:
        case Lateness.IN_TIME:
            found += [
                deliveries.c.state == DeliveryState.DELIVERED,
                deliveries.c.finished_at <= deliveries.c.deadline,
            ]
        case Lateness.LATE:
            found += [deliveries.c.state == DeliveryState.DELIVERED, deliveries.c.finished_at > deliveries.c.deadline]
        case Lateness.NEVER:
            found.append(deliveries.c.state.not_in((DeliveryState.DELIVERED, DeliveryState.CANCELLED)))
            found.append(sa.or_(deliveries.c.state.in_(ENDED_UNDELIVERED), deliveries.c.deadline <= now))
        case None:
            pass
    return found


def _of_decisions(wanted: Search) -> list[sa.ColumnElement[bool]]:
    """Rule 5: what one of a disclosure's decisions must be.

    Asked of decisions that are named: as no column, so that no index is walked for all that are alike.
    """
    found = [
        decisions.c[name].concat("") == getattr(wanted, name)
        for name in ("outcome", "bundle")
        if getattr(wanted, name) is not None
    ]
    return found + reasons.because(wanted.policy, wanted.basis)


def _agencies(tx: Connection, wanted: Search) -> list[str] | None:
    """The recipients of the kind and place that are asked for; None when neither is (rules 3, 4)."""
    if wanted.recipient_kind is None and wanted.jurisdiction is None:
        return None
    return agencies_of(tx, wanted.recipient_kind, wanted.jurisdiction)


def agencies_of(tx: Connection, kind: RecipientKind | None, place: str | None) -> list[str]:
    """The recipients of a kind and place; None means any (rule 4)."""
    query = sa.select(recipients.c.id, recipients.c.details).order_by(recipients.c.id)
    if kind is not None:
        query = query.where(recipients.c.kind == kind)
    return [row.id for row in tx.execute(query) if place is None or _lies_in(row.details, place)]


def _lies_in(details: Any, place: str) -> bool:  # noqa: ANN401 - JSON
    return any(one == place or one.startswith(f"{place}-") for one in details.get("jurisdictions", ()))


def _page(tx: Connection, asked: _Asked, after: str | None, limit: int) -> Keys:
    """The page below `after` (rule 2)."""
    lead, share = asked.lead, max(1, WINDOW // len(asked.lead.arms))
    tried = bool(asked.rest or asked.because or asked.told)
    if not tried:
        share = min(limit + 1, share)
    candidates, floor = _candidates(tx, lead, _range(lead.key, asked, after), share)
    found = _matching(tx, asked, candidates, limit + 1) if tried else candidates[: limit + 1]
    if len(found) > limit:
        return Keys(tuple(found[:limit]), found[limit - 1])
    return Keys(tuple(found), floor)


def _range(key: sa.ColumnElement[str], asked: _Asked, after: str | None) -> list[sa.ColumnElement[bool]]:
    """Rule 1; an id's milliseconds may be rounded down by one, and a moment's own are cut."""
    found, prefix, wanted = [], asked.prefix, asked.wanted
    if after is not None:
        found.append(key < after)
    if wanted.since is not None:
        found.append(key >= ids.mint(prefix, wanted.since - _ROUNDED, bytes(ids.RANDOM_BYTES)))
    if wanted.until is not None:
        found.append(key < ids.mint(prefix, wanted.until + 2 * _ROUNDED, bytes(ids.RANDOM_BYTES)))
    return found


def _candidates(
    tx: Connection, lead: _Lead, within: Sequence[sa.ColumnElement[bool]], share: int
) -> tuple[list[str], str | None]:
    """The newest ids of all arms, and down to where none is missing (None: to the end)."""
    found: list[str] = []
    floor: str | None = None
    arms = [
        sa.select(
            sa.select(lead.key.label("key")).where(*arm, *within).order_by(lead.key.desc()).limit(share).subquery()
        ).add_columns(sa.literal(number).label("arm"))
        for number, arm in enumerate(lead.arms)
    ]
    by_arm: dict[int, list[str]] = {}
    for key, number in tx.execute(sa.union_all(*arms) if len(arms) > 1 else arms[0]):
        by_arm.setdefault(number, []).append(key)
    for keys in by_arm.values():
        found += keys
        if len(keys) == share:
            floor = max(floor or "", min(keys))
    kept = sorted((key for key in found if floor is None or key >= floor), reverse=True)
    return kept, floor


def _matching(tx: Connection, asked: _Asked, candidates: Sequence[str], limit: int) -> list[str]:
    """The first `limit` candidates that meet every other condition."""
    key = asked.of.selected_columns[0]
    found: list[str] = []
    first, size = 0, 2 * limit  # often the newest few are enough
    while first < len(candidates) and len(found) < limit:
        some = candidates[first : first + size]
        query = asked.of.where(among(tx, key, some), *asked.rest).order_by(key.desc())
        rows = tx.execute(query if asked.because or asked.told else query.limit(limit - len(found))).all()
        if asked.because:
            met = reasons.met(tx, {one for row in rows for one in row.decisions}, asked.because)
            rows = [row for row in rows if not met.isdisjoint(row.decisions)]
        if asked.told:
            met = reasons.resting(tx, {row.record_id for row in rows}, *asked.told)
            rows = [row for row in rows if row.id in met]
        found += [row[0] for row in rows]
        first, size = first + size, 4 * size
    return found[:limit]


def recalls_of(tx: Connection, made: Disclosure) -> list[str]:
    """What recalled a disclosure: it stands in the same matter."""
    query = sa.select(disclosures.c.id).where(
        disclosures.c.matter_id == made.matter_id, disclosures.c.recalls == made.id
    )
    return list(tx.execute(query.order_by(disclosures.c.id)).scalars())
