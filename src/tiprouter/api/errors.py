"""What can be wrong with a request before any story is told?

Each class is one row of the table in `api/problems.py`. None of them ever holds what the caller sent.
"""

from tiprouter.errors import TiprouterError


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
