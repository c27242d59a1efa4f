"""What goes into one attempt, and what came of it?

1. An attempt ends in exactly one result; only `success` (any 2xx) discharges the delivery.
2. `gone` (410) is final until a person looks; every other result but `success` is worth another attempt.
3. Neither value shows a URL, a body, a secret or a snippet in its `repr`.
4. `aborted` is an attempt that was ended from here, because nothing may leave any more; `sent` says what had left.
5. The snippet is what the receiver answered, at most 1,024 bytes; it may quote the disclosure, so the caller seals it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum, unique

from tiprouter.delivery.encryption import Encrypted
from tiprouter.delivery.flight import Sent
from tiprouter.delivery.signing import SigningSecret
from tiprouter.delivery.trust import Trust
from tiprouter.domain.page import PageBody
from tiprouter.domain.redaction import Redacted


@unique
class AttemptResult(StrEnum):
    """What came of one HTTP request."""

    SUCCESS = "success"  # 2xx
    HTTP_ERROR = "http_error"  # another status; a redirect is one
    GONE = "gone"  # 410: the recipient has taken the endpoint away
    THROTTLED = "throttled"  # 429 or 503
    TIMEOUT = "timeout"
    CONNECTION_ERROR = "connection_error"  # DNS, refused, reset, closed without an answer
    TLS_ERROR = "tls_error"
    FORBIDDEN_ADDRESS = "forbidden_address"
    RESPONSE_TOO_LARGE = "response_too_large"  # the head of the answer; a long body is only cut
    PROTOCOL_ERROR = "protocol_error"  # the answer is not HTTP
    ABORTED = "aborted"  # ended from here, before an answer


@dataclass(frozen=True, slots=True)
class Envelope:
    """One signed request to make; `timestamp` is the attempt's, in unix seconds; the time allowed covers everything.

    `trust` is the recipient's own, where it has registered one. An `Encrypted` body says its content type itself.
    """

    url: str = field(repr=False)
    webhook_id: str
    timestamp: int
    body: Redacted | PageBody | Encrypted = field(repr=False)
    secrets: Sequence[SigningSecret] = field(repr=False)
    timeout_seconds: float
    content_type: str = "application/json"
    trust: Trust | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Attempted:
    """What came of it; `status` and `retry_after_seconds` where an answer gave them, `dialled` an IP address.

    `sent` is how much of the request had left, where it was aborted.
    """

    result: AttemptResult
    status: int | None
    retry_after_seconds: float | None
    duration_ms: int
    dialled: str | None
    snippet: bytes = field(repr=False)
    sent: Sent | None = None
