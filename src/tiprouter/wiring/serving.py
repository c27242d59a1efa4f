"""How does the service run, and end?

1. `serve` runs the edge, and beside it the worker and the sequencer; when one of them fails the service stops and says
   so, rather than going on without delivering or without a log.
2. One process at a time owns a data folder's log (a lock file) and a PostgreSQL's (`storage/keeping.py`), because there
   is one sequencer. Witnesses are asked beside it.
3. On SIGTERM or SIGINT nothing new is taken, attempts in flight end, and the log is brought up to date.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog

from tiprouter.api import metrics
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
from tiprouter.wiring.edge import Edge, listen
from tiprouter.wiring.force import bring_into_force, keep_first_credential
from tiprouter.wiring.house import House, open_house
from tiprouter.wiring.paging import hook_of, mailbox_of
from tiprouter.workflow.pager import Pager
from tiprouter.workflow.publish import Sequencer
from tiprouter.workflow.witnessing import Witnesses, addresses
from tiprouter.workflow.worker import Worker

log = structlog.get_logger()


async def serve(settings: Settings, *, worker: bool = True, ready: Callable[[str], None] | None = None) -> None:
    """Run the service until a signal stops it (rules 1-3); `ready` is called with its URL once it answers."""
    async with (
        open_house(settings, migrate=True) as house,
        keeping_the_log(settings.url, settings.data / "log.lock"),
    ):
        sequencer = Sequencer(house.database, house.desk, house.signer, settings.log_folder)
        await sequencer.start()
        witnesses = Witnesses(house.database, house.desk, sequencer, addresses(settings.log_witnesses))
        # Whoever collects these lines has the key from elsewhere than the log's own folder.
        log.info("log.opened", vkey=house.signer.vkey)
        await bring_into_force(house)
        await keep_first_credential(house)
        with listen(settings) as listener, _metrics(house):
            async with working(house) if worker else contextlib.nullcontext() as deliverer:
                await _run_parts(house, sequencer, witnesses, deliverer, listener, ready)


async def _run_parts(
    house: House,
    sequencer: Sequencer,
    witnesses: Witnesses,
    worker: Worker | None,
    listener: socket.socket,
    ready: Callable[[str], None] | None,
) -> None:
    parts: dict[str, asyncio.Task[None]] = {
        "sequencer": asyncio.create_task(sequencer.run()),
        "witnesses": asyncio.create_task(witnesses.run()),
    }
    if worker is not None:
        parts["worker"] = asyncio.create_task(worker.run())

    def troubles() -> list[str]:
        return [name for name, part in parts.items() if part.done()]

    patience = Patience(house.settings.head_seconds, house.settings.body_seconds)
    office = Office(house.database, house.desk, house.settings.body_bytes_max, troubles, patience)
    edge = Edge(house.settings, office, ready)
    serving = asyncio.create_task(edge.serve(sockets=[listener]))
    await asyncio.wait({serving, *parts.values()}, return_when=asyncio.FIRST_COMPLETED)
    edge.stop()
    await serving
    if worker is not None:
        worker.stop()
        await parts["worker"]
    witnesses.stop()
    await parts["witnesses"]
    sequencer.stop()
    await parts["sequencer"]


async def work(settings: Settings, stopping: asyncio.Event) -> None:
    """Run a worker alone, beside a `serve` that owns the log."""
    async with open_house(settings, migrate=False) as house, working(house) as worker:
        with _metrics(house):
            running = asyncio.create_task(worker.run())
            stopped = asyncio.create_task(stopping.wait())
            await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
            worker.stop()
            await running
            stopped.cancel()


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
