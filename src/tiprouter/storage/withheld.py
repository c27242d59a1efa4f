"""How much was not disclosed, and why?

1. Counted are decisions of a period that let nothing leave: withheld, held for review, blocked, held by an error. Each
   of them counts, also one that another replaced later.
2. The database counts by outcome, recipient and policies; here the groups are told apart by kind, place and policy. A
   decision with several policies, or toward an agency of several places, counts in each; `total` counts it once.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter import ids
from tiprouter.domain.vocabulary import Outcome
from tiprouter.storage.tables import decisions, recipients

OUTCOMES: Final = (Outcome.WITHHOLD, Outcome.HOLD_REVIEW, Outcome.DUTY_BLOCKED, Outcome.HOLD_ERROR)

_ROUNDED: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Why:
    """An outcome, a policy that determined it ("" where none did), and toward whom ("" where no agency was found)."""

    outcome: Outcome
    policy: str
    recipient_kind: str
    jurisdiction: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """How many decisions by reason, and how many there were of each outcome."""

    by_reason: Mapping[Why, int]
    total: Mapping[Outcome, int]


def counted(tx: Connection, since: datetime, until: datetime) -> Withheld:
    """What was not disclosed by decisions made in [since, until)."""
    policies = sa.cast(decisions.c.policies, sa.Text)
    query = (
        sa.select(decisions.c.outcome, decisions.c.recipient_id, policies, sa.func.count())
        .where(
            decisions.c.outcome.in_(OUTCOMES),
            decisions.c.id >= ids.mint("dec", since - _ROUNDED, bytes(ids.RANDOM_BYTES)),
            decisions.c.id < ids.mint("dec", until + 2 * _ROUNDED, bytes(ids.RANDOM_BYTES)),
            decisions.c.decided_at >= since,
            decisions.c.decided_at < until,
        )
        .group_by(decisions.c.outcome, decisions.c.recipient_id, policies)
    )
    agencies: dict[str | None, tuple[str, Any]] = {
        row.id: (row.kind, row.details) for row in tx.execute(sa.select(recipients))
    }
    by_reason: Counter[Why] = Counter()
    total: Counter[Outcome] = Counter()
    for word, recipient_id, names, count in tx.execute(query):
        outcome = Outcome(word)
        total[outcome] += count
        kind, details = agencies.get(recipient_id, ("", {}))
        for policy, place in product(json.loads(names) or ("",), details.get("jurisdictions") or ("",)):
            by_reason[Why(outcome, policy, kind, place)] += count
    return Withheld(by_reason, total)
