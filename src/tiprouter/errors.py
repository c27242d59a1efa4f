"""What can go wrong, in words a person can act on.

1. Every error the product raises on purpose is a `TiprouterError`; anything else is a defect.
2. The text never holds what a caller sent: errors travel to logs and problem documents, personal data must not.
3. A class's docstring is its default message.
"""


class TiprouterError(Exception):
    """Something was refused."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class ConfigurationError(TiprouterError):
    """The service cannot start as it is configured."""


class NotFoundError(TiprouterError):
    """There is no such thing, or not for you."""


class ConflictError(TiprouterError):
    """Someone else changed this first."""


class InvalidError(TiprouterError):
    """The request cannot mean what it says.

    `pointer` is an RFC 6901 JSON pointer to the field that is wrong; it names only fields of our own schema.
    """

    def __init__(self, message: str | None = None, pointer: str = "") -> None:
        super().__init__(message)
        self.pointer = pointer


class UnavailableError(TiprouterError):
    """The service cannot do this now; nothing was changed."""
