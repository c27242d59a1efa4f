"""What can be wrong with a request before any story is told?

Each class is one row of the table in `api/problems.py`. None of them ever holds what the caller sent, but for what is
wrong with a policy bundle: there is nobody in it, and who wrote it must find the line.
"""

from tiprouter.errors import InvalidError, TiprouterError
from tiprouter.policy.refusal import BundleError


class UnauthenticatedError(TiprouterError):
    """Present a credential: Authorization: Bearer tr_..."""


class KeyMissingError(TiprouterError):
    """Send exactly one Idempotency-Key of 1 to 255 visible ASCII characters."""


class PreconditionMissingError(TiprouterError):
    """Say which revision you read: If-Match with its ETag, or If-None-Match: * to create."""


class PreconditionMalformedError(TiprouterError):
    """If-Match holds one quoted revision, If-None-Match holds *, and only one of the two may be sent."""


class BodyTooLargeError(TiprouterError):
    """The body is larger than this service accepts."""


class MediaTypeError(TiprouterError):
    """Send the body as application/json in UTF-8, without content encoding."""


class BodyBrokenError(TiprouterError):
    """The body ended before it was complete."""


class BodyTooSlowError(TiprouterError):
    """The body took longer than this service waits; send it in one go."""


class TooManyError(TiprouterError):
    """You asked more than your budget allows; if somebody is in danger now, send it again with Priority: u=0."""


class OverloadedError(TiprouterError):
    """More is asked of this service now than it can work on; send it again in a moment. Nothing was changed."""


class BundleRefusedError(InvalidError):
    """The policy bundle cannot be used; `file`, `line` (from 1) and the text say where and why."""

    def __init__(self, fault: BundleError) -> None:
        super().__init__(fault.reason, "/files")
        self.file, self.line = fault.file, fault.line
