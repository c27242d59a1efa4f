"""Which unwrapped data keys may be kept in memory, and for how long?

1. Only those that a key service unwrapped, at most so many and for so long after that; the oldest go first.
2. Nothing is answered from memory alone: the owner's row is read each time, and what is remembered counts only for the
   very bytes in it. A key that was destroyed has no bytes, a renewed or re-wrapped one has others.
3. Erasing an owner's key forgets it in this process at once; other processes cannot use theirs (rule 2), and forget it
   with time.

Five minutes and a thousand keys: an outage of the service shorter than that is not felt by what is under way, and
whoever reads this process's memory finds no more than what it was working on.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from tiprouter.storage.key_providers import Wrapped

KEYS_MAX: Final = 1_000
KEEP_SECONDS: Final = 300.0


class KeyMemory:
    """Unwrapped data keys by owner (rules 1, 2); `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float], limit: int = KEYS_MAX, seconds: float = KEEP_SECONDS) -> None:
        self._clock, self._limit, self._seconds = clock, limit, seconds
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[bytes, float, bytes]] = OrderedDict()

    def __len__(self) -> int:
        """How many keys are remembered now."""
        with self._lock:
            self._forget_old()
            return len(self._known)

    def find(self, owner: str, wrapped: Wrapped) -> bytes | None:
        """The key that these very bytes hold, if it was unwrapped lately."""
        with self._lock:
            self._forget_old()
            mark, _, key = self._known.get(owner, (b"", 0.0, b""))
            return key if key and mark == _mark(wrapped) else None

    def keep(self, owner: str, wrapped: Wrapped, key: bytes) -> None:
        """Remember a key that was wrapped or unwrapped just now."""
        with self._lock:
            self._known.pop(owner, None)
            self._known[owner] = (_mark(wrapped), self._clock() + self._seconds, key)
            self._forget_old()
            while len(self._known) > self._limit:
                self._known.popitem(last=False)

    def forget(self, owner: str) -> None:
        """Forget an owner's key (rule 3)."""
        with self._lock:
            self._known.pop(owner, None)

    def _forget_old(self) -> None:
        while self._known:
            owner, (_, until, _) = next(iter(self._known.items()))
            if self._clock() < until:
                return
            del self._known[owner]


def _mark(wrapped: Wrapped) -> bytes:
    return hashlib.sha256(wrapped.kek_id.encode() + b"|" + wrapped.data).digest()
