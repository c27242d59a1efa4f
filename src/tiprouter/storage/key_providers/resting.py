"""What spares the house while a key service is away?

1. After a call that found the service away, no other is made for a few seconds: every question is refused at once. So a
   service that hangs holds up the embedded database's one writer for one deadline, and not for one deadline a story.
2. What was refused was not done: callers hear 503 and ask again, deliveries are held and tried again, a human is told.
"""

import threading
from collections.abc import Callable
from typing import Final, TypeVar

from tiprouter.storage.key_providers import KeyProvider, KeysUnavailableError, Wrapped

T = TypeVar("T")

REST_SECONDS: Final = 5.0


class Resting:
    """Another provider, which is not asked for a while after it was away (rule 1); `clock` is monotonic seconds."""

    def __init__(self, provider: KeyProvider, clock: Callable[[], float]) -> None:
        self._provider, self._clock = provider, clock
        self._lock = threading.Lock()
        self._until = float("-inf")

    @property
    def remote(self) -> bool:
        """See `KeyProvider.remote`."""
        return self._provider.remote

    def ids(self) -> tuple[str, ...]:
        """See `KeyProvider.ids`."""
        return self._asked(self._provider.ids)

    def opens(self, kek_id: str) -> bool:
        """See `KeyProvider.opens`."""
        return self._provider.opens(kek_id)

    def wrap(self, key: bytes, owner: str) -> Wrapped:
        """See `KeyProvider.wrap`."""
        return self._asked(lambda: self._provider.wrap(key, owner))

    def unwrap(self, wrapped: Wrapped, owner: str) -> bytes:
        """See `KeyProvider.unwrap`."""
        return self._asked(lambda: self._provider.unwrap(wrapped, owner))

    def rotate(self) -> str:
        """See `KeyProvider.rotate`."""
        return self._asked(self._provider.rotate)

    def _asked(self, question: Callable[[], T]) -> T:
        with self._lock:
            if self._clock() < self._until:
                raise KeysUnavailableError
        try:
            return question()
        except KeysUnavailableError:
            with self._lock:
                self._until = self._clock() + REST_SECONDS
            raise
