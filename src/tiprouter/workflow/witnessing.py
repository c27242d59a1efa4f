"""How do witnesses come to cosign the log, without the log waiting for them?

1. Beside the sequencer, the newest checkpoint is offered to every witness that has not cosigned it; a batch more does
   not wait for them, and a witness that does not answer delays nobody.
2. A witness that knows another size says so (409) and is asked again with the proof from there.
3. A cosignature counts once it verifies under the witness's configured key. It goes to the checkpoint in the database
   and to the folder, if that checkpoint is still the newest there.
4. A witness that knows a larger log than ours, or that finds ours inconsistent, has seen another history: a human is
   told. One that has not cosigned for an hour is told of too.
5. `https` only, except on loopback; no redirects are followed, and at most 64 KiB of an answer are read.

Not promised: that the checkpoint served this moment has every cosignature; under load the next one is on its way.
"""

import asyncio
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import httpx2
import structlog

from tiprouter.audit import merkle
from tiprouter.audit.note import Algorithm, NoteError, Verifier, append, open_note, split_note
from tiprouter.audit.tiles import hash_reader
from tiprouter.audit.witness import SIZE_TYPE, Submission
from tiprouter.errors import ConfigurationError, TiprouterError, UnavailableError
from tiprouter.storage import treelog
from tiprouter.storage.database import Database, Transaction
from tiprouter.storage.treelog import CheckpointRow
from tiprouter.workflow.happening import ROUTER, Desk, happening
from tiprouter.workflow.publish import Sequencer
from tiprouter.workflow.stored_log import fetch

log = structlog.get_logger()

EVERY_SECONDS: Final = 1.0
PAUSE_SECONDS_MAX: Final = 60.0
ANSWER_SECONDS: Final = 10.0
ANSWER_BYTES_MAX: Final = 64 * 1024
SILENT_AFTER: Final = timedelta(hours=1)
DIVERGED: Final = "log.witness-diverged"
SILENT: Final = "log.witness-silent"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a witness takes checkpoints (its submission prefix) and the key it cosigns with."""

    url: str
    key: Verifier


@dataclass(slots=True)
class _Known:
    """What was learnt of a witness: the size it knows, when it last cosigned, and how long to leave it alone."""

    size: int
    cosigned_at: datetime
    pause: float = 0.0
    again_at: float = 0.0


class _DivergedError(TiprouterError):
    """The witness has seen another history."""


def addresses(setting: str) -> tuple[Address, ...]:
    """Read `URL VKEY, URL VKEY`; raises `ConfigurationError` (rule 5)."""
    found = []
    for one in filter(None, (part.strip() for part in setting.split(","))):
        url, _, vkey = one.partition(" ")
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and _on_loopback(parts.hostname)):
            raise ConfigurationError("A witness is at an https URL, or at http on loopback.")
        try:
            key = Verifier.from_vkey(vkey.strip())
        except NoteError as error:
            raise ConfigurationError("A witness is a URL, a space and its verifier key.") from error
        if key.algorithm is not Algorithm.COSIGNATURE or parts.query or parts.fragment or parts.username:
            raise ConfigurationError("A witness has a plain URL and a cosigning key.")
        found.append(Address(url.rstrip("/"), key))
    return tuple(found)


def _on_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


class Witnesses:
    """Asks witnesses for cosignatures until it is stopped."""

    def __init__(self, database: Database, desk: Desk, sequencer: Sequencer, asked: tuple[Address, ...]) -> None:
        self._database, self._desk, self._sequencer = database, desk, sequencer
        self._known = {address: _Known(0, desk.now()) for address in asked}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Offer each new checkpoint, at most once a second (rule 1)."""
        if not self._known:
            await self._stopping.wait()
        async with httpx2.AsyncClient(timeout=ANSWER_SECONDS, follow_redirects=False, trust_env=False) as client:
            while not self._stopping.is_set():
                await self.offer(client)
                try:
                    async with asyncio.timeout(EVERY_SECONDS):
                        await self._stopping.wait()
                except TimeoutError:
                    continue

    def stop(self) -> None:
        """Ask nobody any more."""
        self._stopping.set()

    async def offer(self, client: httpx2.AsyncClient) -> None:
        """Ask every witness whose turn it is and who has not cosigned the newest checkpoint."""
        try:
            last = await self._database.read(treelog.last_checkpoint)
            now = asyncio.get_running_loop().time()
            due = [one for one, known in self._known.items() if known.again_at <= now]
            if last is not None and due:
                lacking = [one for one in due if not _has(last.note, one.key)]
                await asyncio.gather(*(self._ask(client, one, last) for one in lacking))
        except UnavailableError as error:
            log.warning("witness.behind", error=type(error).__name__)

    async def _ask(self, client: httpx2.AsyncClient, address: Address, last: CheckpointRow) -> None:
        known = self._known[address]
        try:
            line = await self._cosignature(client, address, last)
            await self._add(address, last.size, line)
            known.size, known.cosigned_at, known.pause = last.size, self._desk.now(), 0.0
        except _DivergedError:
            await self._tell(DIVERGED, address)
            self._leave_alone(known)
        except (httpx2.HTTPError, TiprouterError, OSError) as error:
            log.warning("witness.failed", host=urlsplit(address.url).hostname, error=type(error).__name__)
            if self._desk.now() - known.cosigned_at > SILENT_AFTER:
                await self._tell(SILENT, address)
            self._leave_alone(known)

    def _leave_alone(self, known: _Known) -> None:
        known.pause = min(PAUSE_SECONDS_MAX, max(1.0, known.pause * 2))
        known.again_at = asyncio.get_running_loop().time() + known.pause

    async def _cosignature(self, client: httpx2.AsyncClient, address: Address, last: CheckpointRow) -> bytes:
        """The witness's verified signature line over the checkpoint; asks twice at most (rules 2 and 3)."""
        known = self._known[address]
        status, media_type, body = await self._post(client, address, last, min(known.size, last.size))
        if status == HTTPStatus.CONFLICT and media_type == SIZE_TYPE:
            known.size = int(body) if body.strip().isdigit() else 0
            if known.size > last.size:
                raise _DivergedError
            status, media_type, body = await self._post(client, address, last, known.size)
        if status in (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY) and media_type != SIZE_TYPE:
            raise _DivergedError
        if status != HTTPStatus.OK:
            raise NoteError(f"the witness answered {status}")
        text, _signatures = split_note(last.note)
        _text, verified = open_note(text + b"\n" + body, [address.key])
        return next(
            line + b"\n"
            for line in body.splitlines()
            if verified and line.startswith(f"\N{EM DASH} {address.key.name} ".encode())
        )

    async def _post(
        self, client: httpx2.AsyncClient, address: Address, last: CheckpointRow, old: int
    ) -> tuple[int, str, bytes]:
        proof = await self._database.read(lambda tx: consistency(tx, old, last.size))
        request = Submission(old, tuple(proof), last.note).encode()
        body = b""
        async with client.stream("POST", f"{address.url}/add-checkpoint", content=request) as answer:
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > ANSWER_BYTES_MAX:
                    raise NoteError("the witness says too much")
            return answer.status_code, answer.headers.get("content-type", ""), body

    async def _add(self, address: Address, size: int, line: bytes) -> None:
        """Put the line to the checkpoint; two witnesses at once do not lose each other's (rule 3)."""

        def story(tx: Transaction) -> bytes | None:
            row = treelog.checkpoint_at(tx, size)
            if row is None or _has(row.note, address.key):
                return None
            note = append(row.note, line)
            return note if treelog.cosigned(tx, size, row.note, note) else None

        note = await self._database.write(story, quietly=True)
        if note is not None:
            await self._sequencer.republish(note)

    async def _tell(self, reason: str, address: Address) -> None:
        def story(tx: Transaction) -> None:
            with happening(tx, self._desk, ROUTER) as it:
                it.tell(reason, f"witness-{address.key.key_id.hex()}", None, None)

        await self._database.write(story)


def consistency(tx: Transaction, old: int, new: int) -> list[bytes]:
    """The proof that the log of `old` entries is the beginning of the one of `new`."""
    return merkle.consistency_proof(old, new, hash_reader(new, lambda tile: fetch(tx, tile)))


def _has(note: bytes, key: Verifier) -> bool:
    _text, lines = split_note(note)
    return any((name, key_id) == (key.name, key.key_id) for name, key_id, _signature in lines)
