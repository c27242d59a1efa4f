"""Did this person show a short while ago who they are?

1. Where two people's words are asked for, and where accounts and credentials are made or changed, a person shows it
   again unless they did within fifteen minutes: a session left open approves nothing and leaves no key behind.
2. What calls by a key or a token of its own has nobody to ask, and is let through as ever.

This is the one place that says so. The sentence to the caller is RFC 9470's.
"""

from datetime import datetime

from tiprouter.domain.accounts import FRESH_FOR
from tiprouter.errors import TiprouterError
from tiprouter.workflow.happening import Actor


class StepUpNeededError(TiprouterError):
    """Show again who you are, then ask again: this takes a sign-in of the last fifteen minutes."""


def require_fresh(actor: Actor, now: datetime) -> None:
    """Rules 1 and 2. Raises `StepUpNeededError`."""
    if actor.session is None:
        return
    if actor.verified_at is None or not actor.verified_at <= now < actor.verified_at + FRESH_FOR:
        raise StepUpNeededError
