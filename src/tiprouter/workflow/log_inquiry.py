"""What may an auditor ask of the log's entries?

1. A page is logged before it leaves: who asked, how many entries were told and, where the question named one, about
   which record, recipient, decision, disclosure or delivery. So who looked for whom is found by the same question.
2. A long answer is logged once, before its first row. It ends with the log as it stood when it was asked for.
3. One entry by its index, tiles, bundles and checkpoints are the log itself, which copies of it hold too: reading those
   leaves no trace.
"""

from dataclasses import replace

from tiprouter.audit.kinds import Kind
from tiprouter.storage import log_mentions, treelog
from tiprouter.storage.database import Transaction
from tiprouter.storage.log_mentions import Found, Sought
from tiprouter.workflow.happening import Actor, Desk, happening


def page(tx: Transaction, desk: Desk, actor: Actor, sought: Sought, after: int | None, limit: int) -> Found:
    """One page, logged (rule 1)."""
    with happening(tx, desk, actor) as it:
        found = log_mentions.found(tx, sought, after, limit)
        said = {"role": actor.role, "what": "entries", "count": len(found.rows), "subject": sought.about}
        it.log(Kind.ACCESS, said)
        return found


def taken_away(tx: Transaction, desk: Desk, actor: Actor, sought: Sought) -> Sought:
    """Log that somebody takes a long answer away (rule 2); the question with its end."""
    with happening(tx, desk, actor) as it:
        it.log(Kind.ACCESS, {"role": actor.role, "what": "entries.export", "subject": sought.about})
        return replace(sought, below=treelog.size(tx))
