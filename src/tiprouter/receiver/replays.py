"""Has this message been here before?

1. The same id at the same second is a replay: whoever kept a signed request sends it again.
2. The same id at another second is the router's own next attempt, for nobody else could have signed it. It is new work
   until `done` was said of the id, and after that there is nothing left to do but to answer 2xx.
3. Attempts are remembered for as long as their timestamp would be tolerated, never less. When there is no room for
   another, it is refused: forgetting one early would let it be replayed. The router tries again. What may have been
   forgotten is a replay, should a clock that was turned back make it tolerable again.
4. Ids that are done are remembered for longer than the router tries, and the oldest is forgotten when there is no room.

`BoundedReplays` keeps both in memory, for one process. With several, or to survive a restart, write the two methods of
`ReplayMemory` over your database; `claim` is one `INSERT` under a unique constraint on id and timestamp.
"""

import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from enum import Enum, unique
from typing import Protocol

ATTEMPTS_MAX = 100_000
DONE_MAX = 100_000
DONE_FOR = timedelta(days=7)


@unique
class Claim(Enum):
    """What is known of a message when it comes."""

    NEW = "new"
    DONE = "done"
    REPLAYED = "replayed"
    NO_ROOM = "no room"


class ReplayMemory(Protocol):
    """What a receiver has to remember."""

    def claim(self, webhook_id: str, sent_at: datetime, until: datetime, now: datetime) -> Claim:
        """Remember this attempt until then, and say what it is; never twice NEW or DONE for one id and time."""

    def done(self, webhook_id: str, now: datetime) -> None:
        """Remember that the message was dealt with."""


class BoundedReplays:
    """A `ReplayMemory` in this process's memory, safe between threads (rules 1 to 4)."""

    def __init__(self, attempts_max: int = ATTEMPTS_MAX, done_max: int = DONE_MAX) -> None:
        self._attempts_max, self._done_max = attempts_max, done_max
        self._attempts: OrderedDict[tuple[str, datetime], datetime] = OrderedDict()
        self._done: OrderedDict[str, datetime] = OrderedDict()
        self._forgotten: datetime | None = None
        self._lock = threading.Lock()

    def claim(self, webhook_id: str, sent_at: datetime, until: datetime, now: datetime) -> Claim:
        """As `ReplayMemory` says."""
        with self._lock:
            attempt = (webhook_id, sent_at)
            if attempt in self._attempts or (self._forgotten is not None and until <= self._forgotten):
                return Claim.REPLAYED
            if len(self._attempts) >= self._attempts_max:
                self._forget(now)
            if len(self._attempts) >= self._attempts_max:
                return Claim.NO_ROOM
            self._attempts[attempt] = until
            done_at = self._done.get(webhook_id)
            return Claim.DONE if done_at is not None and now - done_at < DONE_FOR else Claim.NEW

    def done(self, webhook_id: str, now: datetime) -> None:
        """As `ReplayMemory` says."""
        with self._lock:
            self._done[webhook_id] = now
            self._done.move_to_end(webhook_id)
            while len(self._done) > self._done_max:
                self._done.popitem(last=False)

    def _forget(self, now: datetime) -> None:
        ended = {attempt: until for attempt, until in self._attempts.items() if until < now}
        for attempt, until in ended.items():
            del self._attempts[attempt]
            self._forgotten = until if self._forgotten is None else max(self._forgotten, until)
