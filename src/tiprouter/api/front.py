"""With what do people sign in at this edge?"""

from dataclasses import dataclass, field

from tiprouter.workflow.identity_provider import Provider
from tiprouter.workflow.passwords import Hasher


@dataclass(slots=True)
class Front:
    """What compares passwords; the identity provider, if there is one; whether cookies are for https alone."""

    hasher: Hasher = field(default_factory=Hasher)
    provider: Provider | None = None
    secure: bool = True
