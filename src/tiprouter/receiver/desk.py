"""What does a recipient do with a request that says it is from the router?

    desk = Desk(["whpk_..."])
    message = desk.receive(request.headers, raw_body, datetime.now(UTC))
    if not message.repeated:
        ...  # store message.body, then
        desk.done(message, datetime.now(UTC))
    return 204

1. The signature and the time are checked first (`verification`), then whether it is a replay (`replays`), and only then
   is anything decrypted (`decryption`).
2. A message that was dealt with comes back `repeated`: answer 2xx, or the router keeps trying.
3. A desk with private keys takes encrypted messages only: one in the clear is refused, whoever signed it.
4. Whatever is wrong, the only exception is `VerificationError`; answer 401 to it, or 400, and log its text if you like.
5. Old and new keys may be given side by side, for signatures and for decryption.
6. A challenge, by which the router asks whether the endpoint is yours, comes with the `answer` to give: 200, and these
   bytes as application/json. There is nothing in it to store.

It does not store anything for you: what `receive` returns is yours to keep before you answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tiprouter.receiver.challenge import answer_challenge
from tiprouter.receiver.decryption import decrypt
from tiprouter.receiver.replays import BoundedReplays, Claim, ReplayMemory
from tiprouter.receiver.verification import TOLERANCE_SECONDS, Message, VerificationError, verify


@dataclass(frozen=True, slots=True)
class Received:
    """A message that is the router's, recent, and readable: `body` is JSON, `raw` the bytes that were signed.

    `repeated` says that `done` was said of an earlier attempt. `answer` is the body that a challenge wants (rule 6).
    """

    webhook_id: str
    sent_at: datetime
    body: bytes = field(repr=False)
    raw: bytes = field(repr=False)
    repeated: bool = False
    answer: bytes | None = field(default=None, repr=False)

    @property
    def message(self) -> Message:
        """The same as `verify` gives it, with the readable body: what an acknowledgement is signed over."""
        return Message(self.webhook_id, self.sent_at, self.body)


class Desk:
    """Receives for one recipient; `recipient_id` and `private_keys` (JWK texts) are for encrypted messages."""

    def __init__(
        self,
        keys: Sequence[str],
        *,
        private_keys: Sequence[str] = (),
        recipient_id: str = "",
        replays: ReplayMemory | None = None,
        tolerance_seconds: float = TOLERANCE_SECONDS,
    ) -> None:
        self._keys, self._private_keys, self._recipient_id = keys, private_keys, recipient_id
        self._replays = replays if replays is not None else BoundedReplays()
        self._tolerance_seconds = tolerance_seconds

    def __repr__(self) -> str:
        return "Desk(keys hidden)"

    def receive(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Received:
        """Return the message, or raise `VerificationError` (rules 1 to 4). `now` is an aware datetime."""
        message = verify(headers, body, self._keys, now, self._tolerance_seconds)
        try:
            until = message.timestamp + timedelta(seconds=self._tolerance_seconds)
        except OverflowError:
            raise VerificationError("The tolerance is out of range.") from None
        claim = self._replays.claim(message.webhook_id, message.timestamp, until, now)
        if claim is Claim.REPLAYED:
            raise VerificationError("The message was here before.")
        if claim is Claim.NO_ROOM:
            raise VerificationError("There are too many messages to remember.")
        text = message.body
        if self._private_keys:
            text = decrypt(text, self._private_keys, recipient_id=self._recipient_id, webhook_id=message.webhook_id)
        answer = answer_challenge(Message(message.webhook_id, message.timestamp, text), self._keys)
        return Received(message.webhook_id, message.timestamp, text, body, claim is Claim.DONE, answer)

    def done(self, message: Received, now: datetime) -> None:
        """Say that the message is stored; later attempts of it come back `repeated`."""
        self._replays.done(message.webhook_id, now)
