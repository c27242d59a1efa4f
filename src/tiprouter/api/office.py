"""What does the edge work with?"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from tiprouter.api.patience import Patience
from tiprouter.policy.gate.diff import Difference
from tiprouter.storage.answers import Asked
from tiprouter.storage.database import Database
from tiprouter.workflow.happening import Desk
from tiprouter.workflow.polling import Porch


@dataclass(frozen=True, slots=True)
class Office:
    """The database, the desk, and the edge's own limits.

    `patience` is for callers who take their time. `troubles` names what keeps the service from doing its work (empty:
    ready). `in_flight` are the idempotent requests this process is answering now. `proving` is held by whoever proves
    or compares policy bundles: one at a time; `differences` are the last comparisons, by the digests before and after.
    `porch` is where agencies wait for their inboxes.
    """

    database: Database
    desk: Desk
    body_bytes_max: int
    troubles: Callable[[], list[str]]
    patience: Patience = field(default_factory=Patience)
    in_flight: set[Asked] = field(default_factory=set)
    proving: asyncio.Lock = field(default_factory=asyncio.Lock)
    differences: OrderedDict[tuple[str, str], Difference] = field(default_factory=OrderedDict)
    porch: Porch = field(default_factory=Porch)
