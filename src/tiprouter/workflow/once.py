"""Was this asked before, and what was the answer? (Idempotency-Key)

1. The answer is stored in the transaction of its effect: there is no moment at which one exists without the other.
2. The same key with the same body gives the stored answer, whatever happened since; with another body it is refused.
3. Two at once: the later one is told to wait (`InFlightError`) before anything is done for it; the edge sees it in its
   own process, another process by the lock and the unique key of the stored answer (`storage/answers.py`).
"""

from collections.abc import Callable

from tiprouter.errors import ConflictError, InvalidError
from tiprouter.storage import answers
from tiprouter.storage.answers import Asked, Given, TakenError
from tiprouter.storage.database import Transaction
from tiprouter.workflow.happening import Desk


class KeyReusedError(InvalidError):
    """This Idempotency-Key was used for another request."""


class InFlightError(ConflictError):
    """A request with this Idempotency-Key is being answered; ask again in a moment."""


Answer = tuple[str, int, bytes]
"""Whose data key seals the answer, its status, its body."""


def once(tx: Transaction, desk: Desk, asked: Asked, story: Callable[[], Answer]) -> tuple[Given, bool]:
    """Tell the story unless it was told before; the answer, and whether it is an old one (rules 1-3)."""
    try:
        known = answers.find(tx, desk.vault, asked)
    except TakenError as error:
        raise InFlightError from error
    if known is not None:
        if known.request_digest != asked.request_digest:
            raise KeyReusedError
        return known, True
    owner, status, body = story()
    try:
        answers.remember(tx, desk.vault, asked, owner, (status, body), desk.now())
    except TakenError as error:
        raise InFlightError from error
    return Given(asked.request_digest, status, body), False
