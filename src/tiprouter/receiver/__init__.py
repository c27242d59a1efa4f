"""What a recipient installs to trust a webhook: `verify`, and nothing of the router itself.

    from tiprouter.receiver import VerificationError, verify

    message = verify(request.headers, raw_body, ["whpk_..."], now=datetime.now(UTC))

Store `message.webhook_id` before acting on the body and answer 2xx for one already stored: a router that never loses a
message delivers some of them twice, always under the same id.
"""

from tiprouter.receiver.verification import Message, VerificationError, verify

__all__ = ["Message", "VerificationError", "verify"]
