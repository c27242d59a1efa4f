"""How are passwords kept and compared?

1. As Argon2id with the parameters of RFC 9106 section 4 for 64 MiB: 3 passes, 4 lanes, a salt of 16 random bytes.
2. Two at a time in one process, the others wait, and no more than 32 of them: a flood of tries takes 128 MiB and no
   more, and is refused beyond that.
3. Where there is nothing to compare with, the same work is done: who is not there takes as long as who is.
4. What everybody tries first is two lists: the 11,611 most frequent of leaked passwords (`common-passwords.txt`, where
   they are from stands in it), and our own of what people here would try beside them (`blocked-passwords.txt`).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from tiprouter.domain.password import typed
from tiprouter.errors import UnavailableError

T = TypeVar("T")

SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
_AT_ONCE: Final = 2
_WAITING_MAX: Final = 32
_OURS: Final = Path(__file__).with_name("blocked-passwords.txt")
_COMMON: Final = Path(__file__).with_name("common-passwords.txt")


@dataclass(frozen=True, slots=True)
class Cost:
    """How dear a guess is (rule 1): passes, lanes, and memory in KiB."""

    passes: int = 3
    lanes: int = 4
    memory_kib: int = 65_536


class Hasher:
    """Argon2id, off the loop, few at a time (rule 2)."""

    def __init__(self, cost: Cost | None = None) -> None:
        self._cost = cost or Cost()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def hashed(self, password: str, salt: bytes) -> str:
        """The PHC string to keep of a password. Raises `UnavailableError` when too many wait."""
        return await self._off_the_loop(lambda: self._derived(password, salt))

    async def matches(self, password: str, kept: str | None, salt: bytes) -> bool:
        """Whether a password is the one kept; `salt` is for where none is (rule 3). Raises as `hashed` does."""

        def compare() -> bool:
            if kept is None:
                self._derived(password, salt)
                return False
            try:
                Argon2id.verify_phc_encoded(typed(password).encode(), kept)
            except InvalidKey:
                return False
            return True

        return await self._off_the_loop(compare)

    def _derived(self, password: str, salt: bytes) -> str:
        cost = self._cost
        kdf = Argon2id(
            salt=salt, length=_HASH_BYTES, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory_kib
        )
        return kdf.derive_phc_encoded(typed(password).encode())

    async def _off_the_loop(self, work: Callable[[], T]) -> T:
        if self._waiting >= _WAITING_MAX:
            raise UnavailableError("Too many people sign in at this moment; try again shortly.")
        self._waiting += 1
        try:
            async with self._places:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


@lru_cache
def blocked() -> frozenset[str]:
    """The passwords that everybody tries first, in lower case (rule 4)."""
    return frozenset(_OURS.read_text(encoding="utf-8").casefold().split()) | frozenset(common())


def common() -> list[str]:
    """The most frequent of leaked passwords, the most frequent first; what stands above them in the file is no list."""
    return _COMMON.read_text(encoding="utf-8").partition("\n\n")[2].casefold().split()
