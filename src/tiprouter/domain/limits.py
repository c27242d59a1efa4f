"""How much may one caller ask for in a minute, and who is let in when there is too much for everybody?

1. A budget is so many requests a minute, kept as a token bucket: full at first, refilled evenly, never above its size.
   A size of 0 is no limit. A clock that went back refills nothing and is believed from then on.
2. What must be taken is taken into debt, at most one minute's worth of it: the debt delays what is ordinary.
3. A source is an IPv4 address or an IPv6 /64, because whoever has one address of a /64 has all of them.
4. Of the requests that are worked on at once a part is kept for writes of the intake. What passes always is counted
   and never refused: a withdrawal of consent, and a record that tells of immediate danger.
"""

import ipaddress
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, unique
from typing import Final

WINDOW: Final = timedelta(minutes=1)
_SECOND: Final = timedelta(seconds=1)
_NETWORK_BITS: Final = 64


@unique
class Budget(StrEnum):
    """What a caller, or a source of callers who are not known yet, has so much of in a minute."""

    READ = "read"
    WRITE = "write"
    STRANGER = "stranger"  # answers to nobody in particular, by source
    ATTEMPT = "attempt"  # credentials that were not valid, by source


@unique
class Passage(StrEnum):
    """By which right a request is worked on (rule 4)."""

    ALWAYS = "always"
    INTAKE = "intake"
    ORDINARY = "ordinary"


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was left of a budget at a moment; below zero it is a debt."""

    left: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Spent:
    """What came of spending: the bucket after it, whether it was enough, and the seconds until it would be or is full.

    `left` is whole requests, never below zero.
    """

    bucket: Bucket
    enough: bool
    left: int
    enough_in: int
    full_in: int


def spend(per_minute: int, bucket: Bucket | None, now: datetime, cost: int = 1, *, owing: bool = False) -> Spent:
    """Spend `cost` requests of a budget (rules 1 and 2); without a bucket it is full. `owing` goes into debt."""
    had = _refilled(per_minute, bucket, now)
    enough = per_minute == 0 or had >= cost
    left = max(had - cost, -per_minute) if enough or owing else had
    return Spent(
        Bucket(left, now),
        enough,
        max(math.floor(left), 0),
        _seconds(per_minute, cost - had),
        _seconds(per_minute, per_minute - left),
    )


def _refilled(per_minute: int, bucket: Bucket | None, now: datetime) -> float:
    if bucket is None:
        return float(per_minute)
    passed = max(now - bucket.at, timedelta())
    return min(bucket.left + per_minute * (passed / WINDOW), float(per_minute))


def _seconds(per_minute: int, missing: float) -> int:
    """Whole seconds until so many more are there; none when none is missing."""
    return math.ceil(missing / per_minute * (WINDOW / _SECOND)) if per_minute and missing > 0 else 0


def source_of(address: str) -> str:
    """The source that an address belongs to (rule 3); an unreadable one is a source of its own kind."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found) >> _NETWORK_BITS << _NETWORK_BITS, _NETWORK_BITS)))


def lets_in(passage: Passage, busy: int, most: int, kept: int) -> bool:
    """Whether one more may be worked on, beside `busy` of at most `most` (0: no limit) of which intake keeps some."""
    if most == 0 or passage is Passage.ALWAYS:
        return True
    return busy < (most if passage is Passage.INTAKE else most - kept)
