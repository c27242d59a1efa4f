"""What do the workers do beside delivering, again and again?

A chore does a bounded part of its work in one transaction and says how much it did; it is called again until it did
nothing. A chore that finds nothing to do costs one indexed look.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from tiprouter.storage.database import Transaction
from tiprouter.workflow import access_tokens
from tiprouter.workflow.ageing import (
    erase_orphans,
    forget_accounting,
    forget_accounts,
    forget_answers,
    forget_notices,
    forget_snippets,
)
from tiprouter.workflow.alarm import find_undelivered, repeat_alarms
from tiprouter.workflow.awaiting import watch_acknowledgements
from tiprouter.workflow.breaking import tend_lines
from tiprouter.workflow.clock_watch import watch_clock
from tiprouter.workflow.erasing import erase_aged
from tiprouter.workflow.granting import expire_grants
from tiprouter.workflow.happening import Desk
from tiprouter.workflow.inbox import end_overdue
from tiprouter.workflow.log_watch import watch_log
from tiprouter.workflow.noticing import owe_notices, remind, resume_notices
from tiprouter.workflow.overdue import watch_duties
from tiprouter.workflow.passing_on import pass_on
from tiprouter.workflow.proving import tend_endpoints
from tiprouter.workflow.replaying import work_replays
from tiprouter.workflow.review_queue import tell_of_late_reviews
from tiprouter.workflow.revisit import look_through, revisit
from tiprouter.workflow.signing_in import forget_old

Chore: TypeAlias = Callable[[Transaction, Desk], int]

CHORES: Final[tuple[Chore, ...]] = (
    revisit,
    look_through,
    tell_of_late_reviews,
    watch_duties,
    watch_acknowledgements,
    tend_lines,
    tend_endpoints,
    end_overdue,
    pass_on,
    find_undelivered,
    repeat_alarms,
    owe_notices,
    resume_notices,
    remind,
    erase_aged,
    erase_orphans,
    forget_answers,
    forget_snippets,
    forget_notices,
    forget_accounting,
    forget_accounts,
    work_replays,
    expire_grants,
    watch_log,
    watch_clock,
    access_tokens.sweep,
    forget_old,
)
"""In the order in which they are done."""
