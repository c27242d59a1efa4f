"""What does the edge work with?"""

from collections.abc import Callable
from dataclasses import dataclass, field

from tiprouter.storage.answers import Asked
from tiprouter.storage.database import Database
from tiprouter.workflow.happening import Desk


@dataclass(frozen=True, slots=True)
class Office:
    """The database, the desk, and the edge's own limits.

    `troubles` names what keeps the service from doing its work (empty: ready). `in_flight` are the idempotent requests
    this process is answering now.
    """

    database: Database
    desk: Desk
    body_bytes_max: int
    troubles: Callable[[], list[str]]
    in_flight: set[Asked] = field(default_factory=set)
