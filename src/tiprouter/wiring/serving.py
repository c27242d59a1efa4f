"""How does the service run, and end?

1. `serve` runs the edge, and beside it the worker and the sequencer; when one of them fails the service stops and says
   so, rather than going on without delivering or without a log.
2. Any number of processes serve, deliver, or stand by to keep the log, on one PostgreSQL; one at a time keeps it
   (`wiring/log_keeper.py`). A data folder belongs to one keeper.
3. On SIGTERM or SIGINT nothing new is taken, attempts in flight end, and the log is brought up to date.
4. With `TIPROUTER_PRODUCTION=1` it does not start where `wiring/safety.py` finds it unsafe.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog

from tiprouter.api import certificates, metrics
from tiprouter.api.limiter import Bounds, Limiter
from tiprouter.api.office import Office
from tiprouter.api.patience import Patience
from tiprouter.delivery.mail import MailNotifier
from tiprouter.delivery.notifying import HookNotifier, Notifier
from tiprouter.delivery.sender import Sender
from tiprouter.domain.lanes import Lane, Places
from tiprouter.domain.notice import PageChannel
from tiprouter.errors import TiprouterError
from tiprouter.settings import Settings
from tiprouter.storage.keeping import keeping_the_log
from tiprouter.storage.waking import waking
from tiprouter.wiring.edge import Edge, Listener, listen
from tiprouter.wiring.force import bring_into_force, keep_first_credential
from tiprouter.wiring.house import House, now, open_house, settle
from tiprouter.wiring.log_keeper import LogKeeper
from tiprouter.wiring.paging import hook_of, mailbox_of
from tiprouter.wiring.safety import refuse_unsafe
from tiprouter.wiring.sign_in import front_of
from tiprouter.workflow.pager import Pager
from tiprouter.workflow.worker import Worker

log = structlog.get_logger()


async def serve(
    settings: Settings, *, worker: bool = True, sequencer: bool = True, ready: Callable[[str], None] | None = None
) -> None:
    """Run the service until a signal stops it (rules 1-4); `ready` is called with its URL once it answers."""
    if settings.production:
        await refuse_unsafe(settings, now())
    async with (
        open_house(settings, migrate=True) as house,
        _keeping(house) if sequencer else contextlib.nullcontext() as keeper,
        waking(settings.url, house.database.changed),
    ):
        first = keeper is not None and await keeper.begin()
        await bring_into_force(house)
        if first:
            await keep_first_credential(house)
        with listen(settings) as listener, _metrics(house):
            async with working(house) if worker else contextlib.nullcontext() as deliverer:
                await _run_parts(house, keeper, deliverer, listener, ready)


@asynccontextmanager
async def _keeping(house: House) -> AsyncIterator[LogKeeper]:
    """Whoever keeps this process's part of the log (rule 2)."""
    async with keeping_the_log(house.settings.url, house.settings.data / "log.lock") as post:
        yield LogKeeper(house, post)


async def _run_parts(
    house: House,
    keeper: LogKeeper | None,
    worker: Worker | None,
    listener: Listener,
    ready: Callable[[str], None] | None,
) -> None:
    running = {name: part for name, part in (("worker", worker), ("sequencer", keeper)) if part is not None}
    parts = {name: asyncio.create_task(part.run()) for name, part in running.items()}

    def troubles() -> list[str]:
        return [name for name, part in parts.items() if part.done()]

    patience = Patience(house.settings.head_seconds, house.settings.body_seconds)
    office = Office(
        house.database,
        house.desk,
        house.settings.body_bytes_max,
        troubles,
        patience,
        limiter=Limiter(bounds_of(house.settings)),
        hosts=house.settings.hosts,
        https=house.settings.https,
        subdomains=house.settings.hsts_subdomains,
        public_url=_own_url(house.settings),
        trusted_proxies=certificates.networks(house.settings.trusted_proxies),
        front=front_of(house.settings, house.desk),
    )
    edge = Edge(house.settings, office, listener, ready)
    serving = asyncio.create_task(edge.serve())
    await asyncio.wait({serving, *parts.values()}, return_when=asyncio.FIRST_COMPLETED)
    edge.stop()
    await serving
    with contextlib.suppress(TiprouterError):  # the database went away: what was read was told, not how often
        await office.tally.settle(house.database, house.desk)
    for name, part in running.items():
        part.stop()
        await parts[name]


def _own_url(settings: Settings) -> str:
    scheme = "https" if settings.https else "http"
    return settings.public_url.rstrip("/") or f"{scheme}://{settings.host}:{settings.port}"


def bounds_of(settings: Settings) -> Bounds:
    """How much callers may ask for."""
    return Bounds(
        reads=settings.reads_per_minute,
        writes=settings.writes_per_minute,
        strangers=settings.strangers_per_minute,
        attempts=settings.attempts_per_minute,
        in_flight=settings.in_flight_max,
        intake_percent=settings.in_flight_intake_percent,
    )


async def work(settings: Settings, stopping: asyncio.Event) -> None:
    """Run a worker alone, beside a `serve`."""
    async with (
        open_house(settings, migrate=False) as house,
        waking(settings.url, house.database.changed),
        working(house) as worker,
    ):
        settle()
        with _metrics(house):
            await _until(stopping, worker)


async def keep(settings: Settings, stopping: asyncio.Event) -> None:
    """Keep the log alone, or stand by to (rule 2)."""
    async with open_house(settings, migrate=False) as house, _keeping(house) as keeper:
        await keeper.begin()
        settle()
        with _metrics(house):
            await _until(stopping, keeper)


async def _until(stopping: asyncio.Event, part: Worker | LogKeeper) -> None:
    """Run one part until told to stop, or until it ends by itself."""
    running, told = asyncio.create_task(part.run()), asyncio.create_task(stopping.wait())
    await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
    part.stop()
    await running
    told.cancel()


@asynccontextmanager
async def working(house: House) -> AsyncIterator[Worker]:
    """A worker with all it sends by. Raises `ConfigurationError` for pages that could not leave."""
    settings = house.settings
    hook, box = hook_of(settings), mailbox_of(settings)
    notifiers: dict[PageChannel, Notifier] = {}
    async with contextlib.AsyncExitStack() as stack:
        sender = await stack.enter_async_context(Sender(sandbox=settings.sandbox))
        if hook is not None:
            own = await stack.enter_async_context(Sender(sandbox=settings.sandbox, networks=hook.networks))
            notifiers[PageChannel.WEBHOOK] = HookNotifier(hook, own)
        if box is not None:
            notifiers[PageChannel.EMAIL] = mail = MailNotifier(box)
            stack.callback(mail.close)
        for channel in notifiers:
            log.info("paging.on", channel=channel.value)
        if not notifiers:
            log.warning("paging.off")
        pager = Pager(house.database, house.desk, notifiers)
        places = Places.share(settings.places, {Lane(name): kept for name, kept in settings.places_kept.items()})
        yield Worker(house.database, house.desk, sender, places=places, each=settings.places_each, pager=pager)


def _metrics(house: House) -> contextlib.AbstractContextManager[int]:
    return metrics.exposed(house.database, house.desk, house.settings.metrics_host, house.settings.metrics_port)


def run(main: Callable[[], Any]) -> int:
    """Run a coroutine function to its end; its own errors become one clear line and exit code 1."""
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(main())
    except TiprouterError as error:
        log.critical("service.refused", reason=str(error))
        return 1
    return 0
