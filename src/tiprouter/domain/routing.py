"""Which recipients is a record decided about at all?

1. Every registered recipient that serves, or may serve, one of the record's jurisdictions.
2. Nationwide recipients, always.
3. A recipient that a person of the record named in a grant that stands or ever stood, wherever it is.
4. An implicated or suspended recipient stays a candidate: its denial is decided, explained and logged like any other.
"""

from collections.abc import Iterable, Sequence

from tiprouter.domain.consent import Consent
from tiprouter.domain.duty import served
from tiprouter.domain.recipient import NATIONWIDE, Recipient
from tiprouter.domain.record import Record


def candidates(record: Record, consents: Iterable[Consent], registry: Sequence[Recipient]) -> tuple[Recipient, ...]:
    """The recipients to decide about, in the registry's order."""
    named = frozenset[str]().union(*(consent.named for consent in consents))
    return tuple(
        recipient
        for recipient in registry
        if NATIONWIDE in recipient.jurisdictions or served(record.jurisdictions, recipient) or recipient.id in named
    )
