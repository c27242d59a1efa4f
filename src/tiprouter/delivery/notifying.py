"""How does a page leave the house, whatever the channel?

1. A notifier makes one attempt and says what came of it; it raises nothing but cancellation, and says nothing of what
   the other side answered but its status.
2. The operator's webhook is Standard Webhooks 1.0, signed with every secret of the operator's file (rotation by
   overlap), through the sender of disclosures and with all its guards; which private network it may be in is a setting
   of its own (`addresses`, rule 9).
3. Secrets come from files that only their owner reads. No setting, error or `repr` holds one.
4. The id of a call stays the same over all attempts: the receiver's key against duplicates.

Not promised: that a page arrives once. It arrives at least once, or it is given up and the other channel tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum, unique
from pathlib import Path
from typing import Final, Protocol

from tiprouter.delivery.addresses import ForbiddenAddressError, Networks, check_url
from tiprouter.delivery.attempts import AttemptResult, Envelope
from tiprouter.delivery.sender import Sender
from tiprouter.delivery.signing import SigningError, SigningSecret, parse_secret
from tiprouter.domain.page import Told, compose
from tiprouter.errors import ConfigurationError, InvalidError

HOOK_SECONDS: Final = 10.0
SECRET_BYTES_MAX: Final = 4_096


@unique
class PageResult(StrEnum):
    """What came of one attempt to page."""

    SENT = "sent"
    FAILED = "failed"
    GONE = "gone"  # 410: the endpoint says that it will not come back


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt to make: its id, its time in unix seconds, and what it tells: one notice, or several in a digest."""

    id: str
    timestamp: int
    told: Sequence[Told]


@dataclass(frozen=True, slots=True)
class Paged:
    """What came of it; `why` is a word of ours, `status` what HTTP or SMTP answered."""

    result: PageResult
    why: str
    status: int | None = None
    retry_after_seconds: float | None = None


class Notifier(Protocol):
    """A channel to people (rule 1)."""

    async def page(self, call: Call) -> Paged:
        """Make one attempt."""


@dataclass(frozen=True, slots=True)
class Hook:
    """Where the operator's webhook is and who signs; raises `ConfigurationError` where it cannot be called."""

    url: str = field(repr=False)
    secrets: Sequence[SigningSecret] = field(repr=False)
    networks: Networks = ()
    sandbox: bool = False

    def __post_init__(self) -> None:
        if not self.secrets:
            raise ConfigurationError("The operator's webhook needs a signing secret.")
        try:
            check_url(self.url, sandbox=self.sandbox, networks=self.networks)
        except ForbiddenAddressError as error:
            raise ConfigurationError(f"The operator's webhook cannot be called: {error}") from None


class HookNotifier:
    """Pages by webhook (rules 2 and 4); one notice a call."""

    def __init__(self, hook: Hook, sender: Sender) -> None:
        self._hook, self._sender = hook, sender

    async def page(self, call: Call) -> Paged:
        """See `Notifier.page`."""
        if len(call.told) != 1:
            raise InvalidError("A webhook tells of one notice.")
        envelope = Envelope(
            url=self._hook.url,
            webhook_id=call.id,
            timestamp=call.timestamp,
            body=compose(call.told[0]),
            secrets=self._hook.secrets,
            timeout_seconds=HOOK_SECONDS,
        )
        attempted = await self._sender.send(envelope)
        result = _RESULTS.get(attempted.result, PageResult.FAILED)
        return Paged(result, attempted.result.value, attempted.status, attempted.retry_after_seconds)


_RESULTS: Final = {AttemptResult.SUCCESS: PageResult.SENT, AttemptResult.GONE: PageResult.GONE}


def secret_text(path: str, what: str) -> str:
    """What a secret's file holds, without white space around it (rule 3). Raises `ConfigurationError`."""
    file = Path(path)
    if not path or not file.is_file():
        raise ConfigurationError(f"The file of {what} is not there.")
    try:
        if file.stat().st_mode & 0o077:
            raise ConfigurationError(f"The file of {what} can be read by others; set its mode to 0600.")
        with file.open("rb") as opened:
            text = opened.read(SECRET_BYTES_MAX + 1).decode().strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"The file of {what} cannot be read.") from None
    if not 0 < len(text) <= SECRET_BYTES_MAX:
        raise ConfigurationError(f"The file of {what} is empty or too long.")
    return text


def signing_secrets(path: str) -> tuple[SigningSecret, ...]:
    """The webhook's secrets, one `whsec_...` or `whsk_...` a line (rules 2 and 3). Raises `ConfigurationError`."""
    lines = secret_text(path, "the operator's webhook secret").split()
    try:
        return tuple(parse_secret(line) for line in lines)
    except SigningError as error:
        raise ConfigurationError(f"The operator's webhook secret cannot be used: {error}") from None
