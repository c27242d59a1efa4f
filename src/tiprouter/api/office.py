"""What does the edge work with?"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from tiprouter.api.front import Front
from tiprouter.api.limiter import Limiter
from tiprouter.api.patience import Patience
from tiprouter.policy.gate.diff import Difference
from tiprouter.storage.answers import Asked
from tiprouter.storage.database import Database
from tiprouter.workflow.happening import Desk
from tiprouter.workflow.polling import Porch
from tiprouter.workflow.porter import Porter
from tiprouter.workflow.tally import Tally


@dataclass(frozen=True, slots=True)
class Office:
    """The database, the desk, and the edge's own limits.

    `patience` is for callers who take their time. `troubles` names what keeps the service from doing its work (empty:
    ready). `in_flight` are the idempotent requests this process is answering now, and what each sets when it ends.
    `proving` is held by whoever proves or compares policy bundles: one at a time; `differences` are the last
    comparisons, by the digests before and after. `porch` is where agencies wait for their inboxes. `limiter` counts who
    asks how much. `hosts` are the names that the service answers for (empty: any); `https` says that callers reach it
    by https, whatever this process speaks, and `subdomains` that whatever is below its host is to be reached so too.

    `porter` lets callers in. `public_url` is what callers reach the service under, and its name as an authorization
    server. `trusted_proxies` are the peers whose word about a caller's address and client certificate is taken.
    `front` is what people sign in with. `tally` folds what is read of the log, and refusals.
    """

    database: Database
    desk: Desk
    body_bytes_max: int
    troubles: Callable[[], list[str]]
    patience: Patience = field(default_factory=Patience)
    in_flight: dict[Asked, asyncio.Event] = field(default_factory=dict)
    proving: asyncio.Lock = field(default_factory=asyncio.Lock)
    differences: OrderedDict[tuple[str, str], Difference] = field(default_factory=OrderedDict)
    porch: Porch = field(default_factory=Porch)
    limiter: Limiter = field(default_factory=Limiter)
    hosts: frozenset[str] = frozenset()
    https: bool = False
    subdomains: bool = False
    porter: Porter = field(default_factory=Porter)
    public_url: str = "http://127.0.0.1:8080"
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    front: Front = field(default_factory=Front)
    tally: Tally = field(default_factory=Tally)
