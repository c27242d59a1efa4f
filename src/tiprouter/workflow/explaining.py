"""Why does a bundle decide as it does on facts that somebody states?

1. Facts are stated as in a row of the bundle's golden table: what differs from its first row, as `fact=value` joined by
   semicolons.
2. A duty's span is that of the rows the facts name; a duty that is not known, or that no row names, is due at once, as
   the duty table has it.
3. Beside the decision stand the single facts that would change it, and the unknown ones that decide it.

Not promised: that such facts can be derived from any record.
"""

import csv
import io
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tiprouter.domain.duty import AUTHORITIES, Protocol, Span, within
from tiprouter.domain.explain import Explanation, explain
from tiprouter.domain.facts import Facts, Finding
from tiprouter.domain.outcome import Verdict, narrowed, verdict_of
from tiprouter.domain.vocabulary import DutyState, Outcome
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.engine import Engine
from tiprouter.policy.files import GOLDEN_FILE
from tiprouter.policy.golden import golden_rows
from tiprouter.policy.refusal import BundleError
from tiprouter.workflow.history import NO_RECEIPT

_STATED: Final = "facts"


@dataclass(frozen=True, slots=True)
class Reasons:
    """What a bundle decides on some facts: the verdict, its spans after receipt, and what would change it.

    The verdict's own times mean nothing. Nothing is said to change an error.
    """

    verdict: Verdict
    deadline: timedelta | None
    written: tuple[Span, ...]
    explanation: Explanation | None


def reasons(engine: Engine, facts: Facts) -> Reasons:
    """Decide on facts (rules 2, 3). Asks some ninety times: too long for a transaction."""
    ruling = narrowed(facts, engine.rule(facts))
    verdict = verdict_of(Finding(facts, None, _duty_within(facts, engine.bundle.protocol)), ruling, NO_RECEIPT)
    return Reasons(
        verdict=verdict,
        deadline=None if verdict.deadline is None else verdict.deadline - NO_RECEIPT,
        written=ruling.written if verdict.leaves else (),
        explanation=None if verdict.errors else explain(facts, engine.suppose),
    )


def stated(bundle: Bundle, text: str) -> Facts:
    """The facts that a text states (rule 1). Raises `BundleError`."""
    lines = list(csv.reader(io.StringIO(bundle.files[GOLDEN_FILE])))
    table = io.StringIO()
    csv.writer(table).writerows([*lines[:2], [_STATED, text, Outcome.WITHHOLD, "", "", ""]])
    try:
        facts = golden_rows(_STATED, table.getvalue())[1].facts
    except BundleError as error:
        raise BundleError(_STATED, 1, error.reason) from error
    unknown = [row for row in facts.rows if row not in bundle.slices]
    if unknown:
        raise BundleError(_STATED, 1, f"no duty row that has a source is called {' or '.join(unknown)}")
    return facts


def _duty_within(facts: Facts, protocol: Protocol) -> timedelta | None:
    """Rule 2."""
    if facts.duty is DutyState.NOT_REQUIRED:
        return None
    named = [within(row, protocol) for rows in protocol.rows.values() for row in rows if row.id in facts.rows]
    if facts.duty is DutyState.UNKNOWN and facts.recipient_kind in AUTHORITIES:
        return protocol.immediately
    return min(named, default=protocol.immediately)
