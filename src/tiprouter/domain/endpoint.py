"""When is an endpoint asked to prove itself, who may change it, and when does a person look at its papers?

1. It is asked when it is new or changed, then every 90 days. One that does not answer is asked again after 1, 5 and 30
   minutes, then hourly; after a day of silence once a day. Failing for 14 days, what it proved counts no more.
2. Where disclosures go, how, and by which keys they are read and believed (`GUARDED`) changes by two persons' word.
   Taking the webhook away sends nothing anywhere, so one person may do it at once.
3. What ends (agreement, certificates, the last encryption key) is told 30 days before, 7 days before, and at its end.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum, unique
from typing import Final

from tiprouter.domain.recipient import DeliveryMode, Recipient

PROVES_EVERY: Final = timedelta(days=90)
FAILS_FOR: Final = timedelta(days=14)
CONFIRM_WITHIN: Final = timedelta(days=7)
TOLD_FOR: Final = timedelta(days=1)
GUARDED: Final = ("url", "delivery_mode", "encryption_keys", "authorities", "certificate", "acknowledgement_key")
_REACHES: Final = frozenset(GUARDED) - {"acknowledgement_key"}
_AGAIN_AFTER: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
_HOURLY_UNTIL: Final = 27
_WARNED: Final = (timedelta(days=30), timedelta(days=7), timedelta())


@unique
class MessageForm(StrEnum):
    """What the router says to an endpoint beside disclosures. None of it holds personal data."""

    CHALLENGE = "challenge"
    CHANGING = "changing"
    TEST = "test"


def again_after(attempts: int) -> timedelta:
    """How long after its `attempts`th silence an endpoint is asked again (rule 1)."""
    if attempts <= len(_AGAIN_AFTER):
        return _AGAIN_AFTER[max(attempts, 1) - 1]
    return timedelta(hours=1) if attempts <= _HOURLY_UNTIL else timedelta(days=1)


def guarded(old: Recipient, new: Recipient) -> tuple[str, ...]:
    """Which of what takes two persons differs (rule 2)."""
    if new.delivery_mode is DeliveryMode.PULL and new.url is None:
        return tuple(name for name in GUARDED[2:] if getattr(old, name) != getattr(new, name))
    return tuple(name for name in GUARDED if getattr(old, name) != getattr(new, name))


def reached_otherwise(old: Recipient, new: Recipient) -> bool:
    """Whether what the endpoint proved was proved of something else."""
    return any(getattr(old, name) != getattr(new, name) for name in _REACHES)


def next_warning(ends: Sequence[datetime], now: datetime) -> datetime | None:
    """When the next of these ends is to be told of (rule 3); None when no more is."""
    return min((at for end in ends for at in _warnings(end) if at > now), default=None)


def is_to_be_told(end: datetime, since: datetime, now: datetime) -> bool:
    """Whether a moment to tell of this end has come after `since`."""
    return any(since < at <= now for at in _warnings(end))


def _warnings(end: datetime) -> tuple[datetime, ...]:
    return tuple(end - before for before in _WARNED)
