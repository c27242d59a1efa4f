"""May somebody try to sign in now, and what is remembered of the try?

1. A try is counted before it is judged: many at once are as many as one after the other.
2. Who signs in from where they signed in before waits for their own failures alone, and who has a recovery code for
   those of such codes: it is the second factor, and no way to guess the first. No stranger can keep them out.
3. A name that nobody has is counted, told and delayed like one that somebody has.
4. Of failures in a row the first, second, fourth, eighth and so on are written down.

Names and network addresses are blind indexes here already.
"""

from dataclasses import dataclass
from datetime import datetime

from tiprouter.audit.kinds import Kind
from tiprouter.domain.throttle import Count, Lane, counted, seconds_left, worth_saying
from tiprouter.errors import TiprouterError
from tiprouter.storage import sign_ins
from tiprouter.storage.accounts import Account
from tiprouter.workflow.happening import Happening


class ThrottledError(TiprouterError):
    """Too many tries; wait, and try again."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds


class SignInRefusedError(TiprouterError):
    """The name, the password or the code is wrong, or the account cannot be used."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who tries, as blind indexes: the name typed and the source; the account, if there is one."""

    name: str
    source: str
    account: Account | None


@dataclass(frozen=True, slots=True)
class Try:
    """A try that was counted; `own` is the lane of the name or account, as it was before."""

    who: Who
    own_lane: Lane
    own: str
    before: Count
    at: datetime
    worth_saying: bool
    failures: int


def begin_try(it: Happening, who: Who, *, certain: bool = False) -> Try:
    """Count a try (rules 1-3); `certain` is one that brings what cannot be guessed. Raises `ThrottledError`."""
    account = who.account
    known = sign_ins.knows(it.tx, "" if account is None else account.id, who.source)  # asked of nobody too (rule 3)
    own_lane = Lane.KNOWN if known else Lane.NAME
    own = f"known:{account.id}:{who.source}" if known and account is not None else f"name:{who.name}"
    if certain and account is not None:
        own_lane, own = Lane.KNOWN, f"recovery:{account.id}"
    source = source_lane(who.source)
    lanes = {key: sign_ins.lane(it.tx, key, it.now) for key in sorted({own, source})}
    watched = (own,) if known or certain else (own, source)
    left = max(seconds_left(lanes[key], it.now) for key in watched)
    if left:
        raise ThrottledError(left)
    after = {own: counted(own_lane, lanes[own], it.now), source: counted(Lane.SOURCE, lanes[source], it.now)}
    for key, count in sorted(after.items()):
        sign_ins.keep(it.tx, key, count)
    told = after[source].failures if account is None else after[own].failures
    return Try(who, own_lane, own, lanes[own], it.now, worth_saying(told), told)


def refuse(it: Happening, tried: Try, way: str, cause: str) -> None:
    """Write a failed try down (rule 4)."""
    account = tried.who.account
    if tried.worth_saying:
        said = {"account": None if account is None else account.id, "way": way, "cause": cause}
        it.log(Kind.SIGN_IN_REFUSED, said | {"count": tried.failures})


def succeed(it: Happening, tried: Try, account_id: str) -> None:
    """A try that was right is none of the failures; its source is known from now on."""
    now = sign_ins.lane(it.tx, tried.own, it.now)
    if tried.own_lane is Lane.KNOWN:
        after = Count(0, it.now, it.now)
    else:
        next_at = tried.before.next_at if now.last_at == tried.at else now.next_at
        after = Count(max(0, now.failures - 1), now.last_at, next_at)
    sign_ins.keep(it.tx, tried.own, after)
    take_back(it, tried.who.source)
    sign_ins.remember(it.tx, account_id, tried.who.source, it.now)


def take_back(it: Happening, source: str) -> None:
    """One failure less from a source."""
    key = source_lane(source)
    now = sign_ins.lane(it.tx, key, it.now)
    sign_ins.keep(it.tx, key, Count(max(0, now.failures - 1), now.last_at, min(now.next_at, it.now)))


def try_from(it: Happening, source: str) -> int:
    """Count a try that names nobody; how many of this source there were. Raises `ThrottledError`."""
    key = source_lane(source)
    before = sign_ins.lane(it.tx, key, it.now)
    left = seconds_left(before, it.now)
    if left:
        raise ThrottledError(left)
    after = counted(Lane.SOURCE, before, it.now)
    sign_ins.keep(it.tx, key, after)
    return after.failures


def source_lane(source: str) -> str:
    """The key of a source's lane."""
    return f"source:{source}"
