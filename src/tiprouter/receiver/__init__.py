"""What a recipient installs to trust a webhook: `verify`, and nothing of the router itself.

    from tiprouter.receiver import VerificationError, verify

    message = verify(request.headers, raw_body, ["whpk_..."], now=datetime.now(UTC))

Store `message.webhook_id` before acting on the body and answer 2xx for one already stored: a router that never loses a
message delivers some of them twice, always under the same id. `Desk` does both, notices replays, and decrypts:

    desk = Desk(["whpk_..."], private_keys=[jwk], recipient_id="rcp_...")
    message = desk.receive(request.headers, raw_body, datetime.now(UTC))

Answer a challenge, by which the router asks whether an endpoint is yours, with `answer_challenge`.

`tiprouter.receiver.examples` has whole programs, docs/vectors what an implementation in another language must accept
and refuse.
"""

from tiprouter.receiver.challenge import answer_challenge
from tiprouter.receiver.decryption import decrypt
from tiprouter.receiver.desk import Desk, Received
from tiprouter.receiver.replays import BoundedReplays, Claim, ReplayMemory
from tiprouter.receiver.verification import Message, VerificationError, verify

__all__ = [
    "BoundedReplays",
    "Claim",
    "Desk",
    "Message",
    "Received",
    "ReplayMemory",
    "VerificationError",
    "answer_challenge",
    "decrypt",
    "verify",
]
