"""Who notices that our time has left the machine's clock behind?

1. Our time never goes back while a process runs (`wiring/timekeeping.py`), so one reading far ahead holds until the
   next start. What ended by it stays ended: nobody can say any more what was done meanwhile on the word of that time.
2. While it is more than an hour ahead of the machine's clock nothing is erased for its age (`erasing.py`, `ageing.py`):
   what is erased nobody brings back.
3. A human is told, once for each day of the machine's clock, because only a new start begins at the right time.

Not promised: anything while the machine's clock itself is ahead. It is believed then.
"""

from datetime import timedelta
from typing import Final

from tiprouter.storage.database import Transaction
from tiprouter.workflow.happening import ROUTER, Desk, happening

AHEAD: Final = "clock.ahead"
AHEAD_MAX: Final = timedelta(hours=1)


def runs_ahead(desk: Desk) -> bool:
    """Whether our time is too far ahead to erase by (rule 2)."""
    return desk.ahead() > AHEAD_MAX


def watch_clock(tx: Transaction, desk: Desk) -> int:
    """Tell of a time that is too far ahead (rule 3); there is never more of it to do."""
    if runs_ahead(desk):
        with happening(tx, desk, ROUTER) as it:
            it.tell(AHEAD, f"clock-{(it.now - desk.ahead()).date()}", None, None)
    return 0
