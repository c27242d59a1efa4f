"""When is the next attempt due, or is it too late for one?

1. Imminent danger is tried again after 1 s, growing to at most 30 s; the rest after 5 s, 30 s, 2 min, 10 min, 30 min,
   then at most 2 h. The time is stored with the delivery, so a restart forgets nothing.
2. Jitter is +-20 %, jitter included in the "at most"; upward only while a Retry-After is in force.
3. A Retry-After is a floor under the wait, capped at 60 s (imminent) or 1 h. Nothing negative, not finite or beyond one
   day is believed.
4. The recipient's deadline outranks both: if the next attempt would miss it, one last attempt is due just before it
   (1 s imminent, 5 s standard), even below the floor.
5. After that there is none (`None`): every schedule ends, at `deliver_by` at the latest.

The waits are tenacity's wait strategies, asked for one number; tenacity itself never sleeps here, because a schedule of
hours must outlive the process. It does not promise how long an attempt takes: the caller bounds an attempt that starts
close to its deadline.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import MappingProxyType

from tenacity import RetryCallState, Retrying
from tenacity.wait import wait_base, wait_chain, wait_exponential, wait_fixed

from tiprouter.domain.vocabulary import Urgency
from tiprouter.errors import InvalidError

__all__ = ["JITTER", "Urgency", "next_attempt_at", "parse_retry_after"]

JITTER = 0.2
BELIEVED_SECONDS_MAX = 86_400.0

# The last steps are 30 s and 2 h with the jitter already taken out, so that "at most" holds after jitter.
_WAITS: Mapping[Urgency, wait_base] = MappingProxyType(
    {
        Urgency.IMMINENT: wait_exponential(multiplier=1, exp_base=2, max=30 / (1 + JITTER)),
        Urgency.STANDARD: wait_chain(
            *(wait_fixed(seconds) for seconds in (5, 30, 120, 600, 1_800, 3_600, 7_200 / (1 + JITTER)))
        ),
    }
)
_FLOOR_SECONDS_MAX = MappingProxyType({Urgency.IMMINENT: 60.0, Urgency.STANDARD: 3_600.0})
_LAST_CALL = MappingProxyType({Urgency.IMMINENT: timedelta(seconds=1), Urgency.STANDARD: timedelta(seconds=5)})
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)


def next_attempt_at(
    urgency: Urgency,
    attempt_number: int,
    finished_at: datetime,
    deliver_by: datetime,
    retry_after_seconds: float | None,
    jitter: float,
) -> datetime | None:
    """Return when to try again, or None when the deadline leaves no more time.

    `attempt_number` counts the attempts made, from 1; `finished_at` is the end of the last one; `jitter` is a random
    number in [0, 1) that the caller drew. The answer is after `finished_at` and not after `deliver_by`. Raises
    `InvalidError` for an attempt number below 1 or a jitter outside its range.
    """
    if attempt_number < 1 or not 0 <= jitter < 1:
        raise InvalidError("Attempts count from 1 and jitter lies in [0, 1).")
    wait = timedelta(seconds=_wait_seconds(urgency, attempt_number, retry_after_seconds, jitter))
    if wait <= deliver_by - finished_at:
        return finished_at + wait
    last_call = deliver_by - _LAST_CALL[urgency]
    return last_call if last_call > finished_at else None


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, or None for none worth believing (RFC 9110, 10.2.3).

    Both forms are read: delay seconds, and an HTTP date, which is compared with `now` (an aware datetime).
    """
    if value is None:
        return None
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return _believed(float(text))
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # "-0000": UTC without a claim about the local zone (RFC 5322, 3.3)
            moment = moment.replace(tzinfo=UTC)
        return _believed((moment - now).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _wait_seconds(urgency: Urgency, attempt_number: int, retry_after_seconds: float | None, jitter: float) -> float:
    # RetryCallState notes the monotonic time of its making; no wait strategy used here looks at it.
    state = RetryCallState(Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = attempt_number
    base = _WAITS[urgency](state)
    floor = None if retry_after_seconds is None else _believed(retry_after_seconds)
    if floor is None:
        return base * (1 - JITTER + 2 * JITTER * jitter)
    return max(base, min(floor, _FLOOR_SECONDS_MAX[urgency])) * (1 + JITTER * jitter)


def _believed(seconds: float) -> float | None:
    # NaN is neither above nor below, so it fails this too.
    return seconds if 0 <= seconds <= BELIEVED_SECONDS_MAX else None
