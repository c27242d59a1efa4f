"""How are the rooms put together into one running service?

The only reader of clock, randomness and settings. Everything below is handed what it needs.

1. `open_house` checks or migrates the schema, opens keys and database, and refuses with one clear line.
2. `serve` runs the edge, and beside it the worker and the sequencer; when one of them fails the service stops and says
   so, rather than going on without delivering or without a log.
3. One process at a time owns a data folder's log (a lock file) and a PostgreSQL's (`storage/keeping.py`), because there
   is one sequencer. Witnesses are asked beside it.
4. An empty service brings the bundle that the settings name into force; from then on the database says which one is.
5. On SIGTERM or SIGINT nothing new is taken, attempts in flight end, and the log is brought up to date.
"""

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
import uvicorn

from tiprouter.api import metrics
from tiprouter.api.app import build
from tiprouter.api.office import Office
from tiprouter.api.patience import Patience, patient
from tiprouter.audit.note import Signer
from tiprouter.delivery.addresses import private_networks
from tiprouter.delivery.mail import Mailbox, MailNotifier, MailSecurity
from tiprouter.delivery.notifying import Hook, HookNotifier, Notifier, secret_text, signing_secrets
from tiprouter.delivery.sender import Sender
from tiprouter.domain.lanes import Lane, Places
from tiprouter.domain.notice import PageChannel, Routing, Severity
from tiprouter.domain.pace import Pace
from tiprouter.errors import ConfigurationError, TiprouterError
from tiprouter.policy import bundle as bundles
from tiprouter.policy import files
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.gate.check import examine
from tiprouter.policy.library import Library
from tiprouter.policy.refusal import BundleError
from tiprouter.policy.released import RELEASED
from tiprouter.settings import Settings
from tiprouter.storage import bundles as stored_bundles
from tiprouter.storage import migrations
from tiprouter.storage.database import Database, Transaction, open_database
from tiprouter.storage.keeping import keeping_the_log
from tiprouter.storage.vault import FileKeyProvider, Vault
from tiprouter.workflow import credentials, governing
from tiprouter.workflow.happening import ROUTER, Desk, engine_of
from tiprouter.workflow.pager import Pager
from tiprouter.workflow.publish import Sequencer
from tiprouter.workflow.witnessing import Witnesses, addresses
from tiprouter.workflow.worker import Worker

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class House:
    """A service that is put together and not yet running."""

    settings: Settings
    database: Database
    desk: Desk
    signer: Signer


def now() -> datetime:
    """This moment, UTC."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_house(settings: Settings, *, migrate: bool) -> AsyncIterator[House]:
    """The rooms, put together (rule 1). `migrate` brings the schema up to date; otherwise it must be."""
    _make_folder(settings)
    if migrate:
        await migrations.migrate(settings.url)
    await migrations.check(settings.url)
    vault = Vault(FileKeyProvider(settings.key_file, os.urandom), os.urandom)
    database = open_database(settings.url)
    try:
        blind_key, seed = await database.write(
            lambda tx: (vault.secret(tx, "blind-index"), vault.secret(tx, "log-signing"))
        )
        desk = Desk(
            now,
            os.urandom,
            vault,
            Library(),
            blind_key,
            settings.sandbox,
            confirm_after=timedelta(minutes=settings.confirm_after_minutes),
            retention=timedelta(days=settings.retention_days),
            routing=routing_of(settings),
            pace=Pace(settings.rate_each),
            verify_endpoints=settings.verifies,
            small_cell=settings.transparency_threshold,
        )
        yield House(settings, database, desk, Signer(settings.log_origin, seed))
    finally:
        await database.close()


async def serve(settings: Settings, *, worker: bool = True, ready: Callable[[str], None] | None = None) -> None:
    """Run the service until a signal stops it (rules 2-5); `ready` is called with its URL once it answers."""
    async with (
        open_house(settings, migrate=True) as house,
        keeping_the_log(settings.url, settings.data / "log.lock"),
    ):
        sequencer = Sequencer(house.database, house.desk, house.signer, settings.log_folder)
        await sequencer.start()
        witnesses = Witnesses(house.database, house.desk, sequencer, addresses(settings.log_witnesses))
        # Whoever collects these lines has the key from elsewhere than the log's own folder.
        log.info("log.opened", vkey=house.signer.vkey)
        await _bring_into_force(house)
        await _keep_first_credential(house)
        with _listen(settings) as listener, _metrics(house):
            async with _worker(house) if worker else contextlib.nullcontext() as deliverer:
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


class Edge(uvicorn.Server):
    """The HTTP server; it stops on a signal and leaves the rest of the stopping to `serve` (rule 5)."""

    def __init__(self, settings: Settings, office: Office, ready: Callable[[str], None] | None) -> None:
        super().__init__(
            uvicorn.Config(
                build(office),
                http=patient(office.patience),
                loop="asyncio",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=10,
                timeout_keep_alive=15,
            )
        )
        self._host, self._ready, self._office = settings.host, ready, office

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start answering, then say so."""
        await super().startup(sockets)
        # What was made during the start stays for good; the collector need not look at it again.
        gc.collect()
        gc.freeze()
        port = sockets[0].getsockname()[1] if sockets else 0
        log.info("service.ready", host=self._host, port=port)
        if self._ready is not None:
            self._ready(f"http://{self._host}:{port}")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT without raising them again afterwards, as uvicorn's own would."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Take nothing new; who waits for an inbox is answered now."""
        self.should_exit = True
        self._office.porch.closing.set()


async def work(settings: Settings, stopping: asyncio.Event) -> None:
    """Run a worker alone, beside a `serve` that owns the log."""
    async with open_house(settings, migrate=False) as house, _worker(house) as worker:
        with _metrics(house):
            running = asyncio.create_task(worker.run())
            stopped = asyncio.create_task(stopping.wait())
            await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
            worker.stop()
            await running
            stopped.cancel()


def _metrics(house: House) -> contextlib.AbstractContextManager[int]:
    return metrics.exposed(house.database, house.desk, house.settings.metrics_host, house.settings.metrics_port)


async def tell(settings: Settings, story: Callable[[Transaction, Desk], Any]) -> Any:  # noqa: ANN401 - the story's own
    """Tell one story and leave: what the command line does by hand."""
    async with open_house(settings, migrate=True) as house:
        return await house.database.write(lambda tx: story(tx, house.desk))


async def vkey(settings: Settings) -> str:
    """The log's verifier key: what an auditor should have from elsewhere than the log's own folder."""
    async with open_house(settings, migrate=False) as house:
        return house.signer.vkey


@asynccontextmanager
async def _worker(house: House) -> AsyncIterator[Worker]:
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


_PAGED_BY: Final = {
    "webhook": frozenset({PageChannel.WEBHOOK}),
    "email": frozenset({PageChannel.EMAIL}),
    "both": frozenset(PageChannel),
    "none": frozenset[PageChannel](),
}


def routing_of(settings: Settings) -> Routing:
    """Which pages go where."""
    there = {PageChannel.WEBHOOK: settings.page_webhook_url, PageChannel.EMAIL: settings.page_smtp_host}
    wanted = {
        Severity.IMMINENT: settings.page_imminent,
        Severity.URGENT: settings.page_urgent,
        Severity.ROUTINE: settings.page_routine,
    }
    return Routing(
        channels=frozenset(channel for channel, place in there.items() if place),
        by_severity={severity: _PAGED_BY[by] for severity, by in wanted.items()},
        mails_max=settings.page_mails_max,
    )


def hook_of(settings: Settings) -> Hook | None:
    """The operator's webhook with its secrets, or None without one. Raises `ConfigurationError`."""
    if not settings.page_webhook_url:
        if settings.page_webhook_secret_file:
            raise ConfigurationError("The operator's webhook has a secret file and no URL.")
        return None
    return Hook(
        settings.page_webhook_url,
        signing_secrets(settings.page_webhook_secret_file),
        private_networks(settings.page_webhook_networks),
        settings.sandbox,
    )


def mailbox_of(settings: Settings) -> Mailbox | None:
    """The mail server with its password, or None without one. Raises `ConfigurationError`."""
    if not settings.page_smtp_host:
        if settings.page_mail_from or settings.page_mail_to:
            raise ConfigurationError("Pages by e-mail have addresses and no mail server.")
        return None
    password_file = settings.page_smtp_password_file
    box = Mailbox(
        host=settings.page_smtp_host,
        port=settings.page_smtp_port,
        security=MailSecurity(settings.page_smtp_security),
        sender=settings.page_mail_from,
        recipients=tuple(filter(None, (each.strip() for each in settings.page_mail_to.split(",")))),
        user=settings.page_smtp_user,
        password=secret_text(password_file, "the mail server's password") if password_file else "",
    )
    if settings.sandbox and not box.on_loopback:
        raise ConfigurationError("The sandbox knows mail servers on loopback only.")
    return box


async def _bring_into_force(house: House) -> None:
    """Rule 4. Raises `BundleError` and `ConfigurationError` where nothing is in force and nothing may come there."""
    active = await house.database.read(stored_bundles.active)
    configured = await asyncio.to_thread(_configured, house.settings, needed=active is None)
    if active is None and configured is not None:
        report = await asyncio.to_thread(_report, house.settings, configured)
        active = await house.database.write(lambda tx: governing.install(tx, house.desk, configured, report))
    if configured is not None and configured.digest != active:
        log.warning("bundle.not-in-force", configured=configured.digest, active=active)
    await house.database.read(lambda tx: engine_of(tx, house.desk, active))
    log.info("bundle.in-force", bundle=active)


def _configured(settings: Settings, *, needed: bool) -> Bundle | None:
    """The bundle that the settings name; a broken one matters only when nothing is in force."""
    try:
        return bundles.load(settings.bundle_path or files.shipped(settings.bundle))
    except BundleError as error:
        if needed:
            raise
        log.warning("bundle.unreadable", file=error.file, line=error.line)
        return None


def _report(settings: Settings, bundle: Bundle) -> dict[str, Any]:
    """What the gate says of the first bundle. Raises `ConfigurationError` when it does not pass."""
    if bundle.digest in RELEASED.values():
        return {"passed": True, "by": "release"}
    if settings.sandbox:
        return {"passed": False, "by": "sandbox"}
    report = examine(bundle)
    if not report.passed:
        failed = "; ".join(f"{step.number} {step.title}" for step in report.steps if not step.ok)
        raise ConfigurationError(f"The gate refuses the bundle: {failed}. See `tiprouter policy check`.")
    return governing.told(report)


async def _keep_first_credential(house: House) -> None:
    """The first operator's token goes into a file that only its owner reads: standard output may be collected."""
    token = await house.database.write(lambda tx: credentials.first(tx, house.desk, ROUTER))
    if token is not None:
        path = house.settings.data / "keys" / "first-operator-token"
        handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(f"{token}\n")
        log.warning("service.first-credential", file=str(path))


@contextmanager
def _listen(settings: Settings) -> Iterator[socket.socket]:
    """The socket to serve on; bound here so that a taken port is one clear line."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With the protocol named, asyncio sends what it writes at once (TCP_NODELAY); a lone caller waits 40 ms less.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            raise ConfigurationError("The address to listen on is taken or not this machine's.") from error
        yield listener


def _make_folder(settings: Settings) -> None:
    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = settings.data / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError("The data folder cannot be written; check its path, owner and free space.") from error


def run(main: Callable[[], Any]) -> int:
    """Run a coroutine function to its end; its own errors become one clear line and exit code 1."""
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(main())
    except TiprouterError as error:
        log.critical("service.refused", reason=str(error))
        return 1
    return 0
