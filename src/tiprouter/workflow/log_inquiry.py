"""What may an auditor ask of the log's entries?

1. A page is logged before it leaves: who asked, by which filters, how many entries were told and, where the question
   named one, about which record, recipient, decision, disclosure or delivery. So who looked for whom is found by the
   same question.
2. A long answer is logged once, before its first row. It ends with the log as it stood when it was asked for.
3. One entry by its index, its proof and entry bundles are logged too, folded by `workflow/tally.py`. Checkpoints and
   hash tiles are everybody's, say nothing of an entry, and leave no trace.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from tiprouter.storage import log_mentions, treelog
from tiprouter.storage.database import Transaction
from tiprouter.storage.log_mentions import Found, Sought
from tiprouter.workflow.accessing import filters, seen
from tiprouter.workflow.happening import Actor, Desk, happening

_FILTERS: Final = {
    "tip": "record_id",
    "case": "record_id",
    "rcp": "recipient_id",
    "dec": "decision_id",
    "dis": "disclosure_id",
    "msg": "delivery_id",
}
"""What an id's prefix says that it is of."""


def page(tx: Transaction, desk: Desk, actor: Actor, sought: Sought, after: int | None, limit: int) -> Found:
    """One page, logged (rule 1)."""
    with happening(tx, desk, actor) as it:
        found = log_mentions.found(tx, _seen_from(sought, it.now), after, limit)
        seen(it, "entries", len(found.rows), sought.about, asked=_asked(sought))
        return found


def taken_away(tx: Transaction, desk: Desk, actor: Actor, sought: Sought) -> Sought:
    """Log that somebody takes a long answer away (rule 2); the question with its end."""
    with happening(tx, desk, actor) as it:
        seen(it, "entries.export", None, sought.about, asked=_asked(sought))
        return replace(_seen_from(sought, it.now), below=treelog.size(tx))


def _seen_from(sought: Sought, now: datetime) -> Sought:
    """The question, and the moment that what is overdue is seen from."""
    if sought.besides.lateness is None:
        return sought
    return replace(sought, besides=replace(sought.besides, now=now))


def _asked(sought: Sought) -> list[str]:
    """By which filters it was asked (rule 1); of ids only what they are of, and the first is the entry's subject."""
    found = [f"kind={one}" for one in sought.kinds] + [_FILTERS[one.partition("_")[0]] for one in sought.ids]
    found += [name if name == "bundle" else f"{name}={value}" for name, value in sought.members]
    found += filters(replace(sought.besides, now=None))
    return sorted(found + [name for name in ("since", "until", "actor") if getattr(sought, name) is not None])
