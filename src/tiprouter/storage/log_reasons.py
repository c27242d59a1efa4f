"""Which entries of the log tell of what a question asks, when that does not stand in the entry itself?

1. An entry names agencies, decisions and disclosures. Of what kind and where an agency is, the registry knows; what a
   decision rests on, and whether a disclosure was late, their rows know (`storage/reasons.py`).
2. An entry is kept when one of the agencies, one of the decisions and one of the disclosures that it names is as asked.
3. Only entries that a page read already are looked at, so no question reads more than it did.

Not promised: that rows are still what they were when the entry was written. An erased record's decisions have no basis.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from tiprouter.domain.lateness import Lateness
from tiprouter.domain.vocabulary import Basis, RecipientKind
from tiprouter.storage import reasons
from tiprouter.storage.searches import agencies_of


@dataclass(frozen=True, slots=True)
class Besides:
    """What an entry is asked for besides its own words; None means any.

    `now` is the moment that what is overdue is seen from, and is needed with `lateness`.
    """

    recipient_kind: RecipientKind | None = None
    jurisdiction: str | None = None
    policy: str | None = None
    basis: Basis | None = None
    lateness: Lateness | None = None
    now: datetime | None = None


def agencies(tx: Connection, asked: Besides) -> frozenset[str] | None:
    """The agencies of the kind and place that are asked for; None when neither is (rule 1)."""
    if asked.recipient_kind is None and asked.jurisdiction is None:
        return None
    return frozenset(agencies_of(tx, asked.recipient_kind, asked.jurisdiction))


def kept(
    tx: Connection, named: Mapping[int, Collection[str]], asked: Besides, toward: frozenset[str] | None
) -> set[int]:
    """The indices of the entries that tell of it, given the ids that each names (rule 2)."""
    left = dict(named)
    if toward is not None:
        left = _naming(left, toward)
    conditions = reasons.because(asked.policy, asked.basis)
    if conditions:
        left = _naming(left, reasons.met(tx, _of(left, "dec_"), conditions))
    if asked.lateness is not None and asked.now is not None:
        left = _naming(left, reasons.late(tx, _of(left, "dis_"), asked.lateness, asked.now))
    return set(left)


def _of(named: Mapping[int, Collection[str]], prefix: str) -> set[str]:
    return {one for some in named.values() for one in some if one.startswith(prefix)}


def _naming(named: Mapping[int, Collection[str]], these: Collection[str]) -> dict[int, Collection[str]]:
    wanted = frozenset(these)
    return {index: some for index, some in named.items() if not wanted.isdisjoint(some)}
