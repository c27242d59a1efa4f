"""The key service is away, slow, rotated or replaced: nothing is lost, and nothing that was erased comes back."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.attacks.agreement import entries_of
from tests.support.fictional import agency, grant, tip
from tests.support.service import OPERATOR, Service
from tests.support.slow_keys import KeyService
from tiprouter.audit.kinds import Kind
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage import records, rewrapping
from tiprouter.storage.key_providers import KeysUnavailableError
from tiprouter.storage.key_providers.memory import KeyMemory
from tiprouter.storage.records import Stored
from tiprouter.storage.tables import data_keys, secrets
from tiprouter.storage.vault import ErasedError, SealError, Vault, key_made_at
from tiprouter.workflow import rekeying
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.rekeying import Held, Rewrapped


class KilledError(Exception):
    """The runner was killed."""


def kill(_: Rewrapped) -> None:
    """After the first batch."""
    raise KilledError


LE = RecipientKind.LAW_ENFORCEMENT


def served_by(service: Service, *providers: Any, memory: KeyMemory | None = None) -> None:  # noqa: ANN401 - providers
    """From now on the stories ask these providers; the first one wraps."""
    vault = Vault(providers[0], os.urandom, providers[1:], memory)
    service.desk = replace(service.desk, vault=vault)


async def accepted(service: Service, count: int = 3) -> list[str]:
    """Some tips; the ids of their records."""
    return [(await service.accept(tip(external_id=f"K-{number}"))).stored.id for number in range(count)]


async def all_open(service: Service, ids: list[str]) -> None:
    """Every record can be read, and so can the service's own secrets."""
    vault = service.desk.vault
    for record_id in ids:
        assert (await service.database.read(partial(_loaded, vault, record_id))) is not None
    assert await service.database.read(lambda tx: vault.secret(tx, "blind-index")) == service.desk.blind_key


def _loaded(vault: Vault, record_id: str, tx: Connection) -> Stored | None:
    return records.load(tx, vault, record_id)


async def kek_ids(service: Service) -> set[str]:
    """Which keys wrap what is not destroyed, secrets included."""

    def look(tx: Connection) -> set[str]:
        keys = sa.select(data_keys.c.kek_id).where(data_keys.c.destroyed_at.is_(None))
        return {*tx.execute(keys).scalars(), *tx.execute(sa.select(secrets.c.kek_id)).scalars()}

    return await service.database.read(look)


async def rewrap(service: Service, limit: int = 2, tell: Callable[[Rewrapped], None] | None = None) -> Rewrapped:
    """Re-wrap in small batches."""
    return await rekeying.rewrap(service.database, service.desk, OPERATOR, limit, tell)


async def bodies(service: Service, kind: Kind) -> list[Any]:
    """What every entry of a kind says."""
    await service.check_house()
    return [entry.body for entry in await entries_of(service) if entry.kind == kind]


async def rotate(service: Service) -> tuple[str, str]:
    """Rotate."""
    return await service.database.write(lambda tx: rekeying.rotate(tx, service.desk, OPERATOR))


async def test_an_outage_refuses_and_loses_nothing(service: Service) -> None:
    """A tip is refused whole while the service is away, and accepted once it answers; nothing half is left behind."""
    keys = KeyService()
    served_by(service, keys, *service.desk.vault.providers)
    keys.away = True
    with pytest.raises(KeysUnavailableError):
        await service.accept(tip())
    assert await service.rows("select id from records") == []
    keys.away = False
    await all_open(service, await accepted(service))
    await service.check_house()


async def test_a_delivery_waits_for_the_key_service_and_a_human_is_told(service: Service) -> None:
    """What cannot be opened now is held, never sent and never dropped; when the service answers it goes out."""
    keys = KeyService()
    served_by(service, keys, *service.desk.vault.providers)
    await service.enrol(agency(LE))
    await service.accept(tip())
    await service.consent(Whose(source="hotline-example", ref="p1"), grant(LE))
    keys.away = True
    assert await service.claim() == []
    assert [row.reason for row in await service.rows("select reason from notices")] == ["delivery.held"]
    keys.away = False
    service.clock.forward(minutes=2)
    assert len(await service.deliver()) == 1
    await service.check_house()


async def test_a_remembered_key_outlives_an_outage_and_never_an_erasure(service: Service) -> None:
    """What was unwrapped lately opens while the service is away; destroyed here or elsewhere, it is erased at once."""
    keys, clock = KeyService(), [0.0]
    memory = KeyMemory(lambda: clock[0])
    served_by(service, keys, *service.desk.vault.providers, memory=memory)
    first, second = await accepted(service, 2)
    keys.away = True
    await all_open(service, [first, second])
    assert keys.unwrapped == []
    elsewhere = Vault(keys, os.urandom)
    await service.database.write(lambda tx: elsewhere.destroy(tx, first, service.clock.at))
    with pytest.raises(ErasedError):
        await service.database.read(lambda tx: records.load(tx, service.desk.vault, first))
    await service.database.write(lambda tx: service.desk.vault.destroy(tx, second, service.clock.at))
    assert len(memory) == 1, "this process still remembers what it destroyed itself"
    with pytest.raises(ErasedError):
        await service.database.read(lambda tx: records.load(tx, service.desk.vault, second))


async def test_a_slow_key_service_holds_up_no_event_loop(service: Service) -> None:
    """While a story waits for the service, the loop goes on: on PostgreSQL the call is made in a thread of its own."""
    keys = KeyService()
    served_by(service, keys, *service.desk.vault.providers)
    keys.delay_seconds = 0.3
    telling = asyncio.ensure_future(service.accept(tip()))
    turns = 0
    while not telling.done():
        await asyncio.sleep(0.005)
        turns += 1
    await telling
    assert "MainThread" not in keys.asked_by
    assert turns > 10


async def test_after_a_rotation_everything_opens_and_new_rows_have_the_new_key(service: Service) -> None:
    """Rule 1 of re-keying, on the key files: no restart, and the entry names both keys."""
    before = await accepted(service)
    old, new = await rotate(service)
    after = (await service.accept(tip(external_id="K-new"))).stored.id
    await all_open(service, [*before, after])
    assert await kek_ids(service) == {old, new}
    (entry,) = await bodies(service, Kind.KEK_ROTATED)
    assert (entry["kek"], entry["replaces"]) == (new, old)


async def test_rewrapping_moves_everything_and_says_so(service: Service) -> None:
    """Rules 2 and 4: in batches, each with its entry, secrets too; the old key wraps nothing then, and may go."""
    ids = await accepted(service, 7)
    old, new = await rotate(service)
    steps: list[Rewrapped] = []
    done = await rewrap(service, 2, steps.append)
    assert done.shut == 0
    assert [one.done for one in steps[:2]] == sorted({one.done for one in steps[:2]})
    assert await kek_ids(service) == {new}
    status = await rekeying.status(service.database, service.desk.vault)
    assert {one.kek_id: (one.keys + one.secrets, one.live, one.wraps) for one in status} == {
        old: (0, True, False),
        new: (done.done, True, True),
    }
    assert sum(one["count"] for one in await bodies(service, Kind.KEY_REWRAPPED)) == done.done
    (service.folder / "keys" / "kek").unlink()
    await all_open(service, ids)
    assert await rewrap(service) == Rewrapped(0, 0)
    await service.check_house()


async def test_what_is_erased_during_a_rewrapping_stays_erased(service: Service) -> None:
    """Rule 2 of re-wrapping: between looking and writing an owner is erased, another renewed; neither comes back."""
    gone, renewed, kept = await accepted(service, 3)
    _, new = await rotate(service)
    vault, now = service.desk.vault, service.clock.at
    found = await service.database.read(lambda tx: rewrapping.outdated(tx, new, "", 50))
    made = [(one, rewrapping.rewrapped(vault, one)) for one in found]
    await service.database.write(lambda tx: vault.destroy(tx, gone, now))
    await service.database.write(lambda tx: vault.renew(tx, renewed, now))
    before = await service.rows(f"select wrapped from data_keys where owner = '{renewed}'")  # noqa: S608 - our own id
    await service.database.write(lambda tx: rewrapping.exchange(tx, made))
    assert await service.rows(f"select wrapped from data_keys where owner = '{renewed}'") == before  # noqa: S608 - as above
    assert await service.database.read(lambda tx: key_made_at(tx, gone)) is None
    with pytest.raises(ErasedError):
        await service.database.read(lambda tx: vault.key(tx, gone))
    await all_open(service, [kept])


async def test_two_runners_and_writers_share_the_work(service: Service) -> None:
    """Two re-wrappings and an intake at once: all is done, once, and nothing is left or lost."""
    ids = await accepted(service, 12)
    _, new = await rotate(service)
    owed = sum(one.keys + one.secrets for one in await rekeying.status(service.database, service.desk.vault))
    first, second, made = await asyncio.gather(
        rewrap(service, 3), rewrap(service, 3), service.accept(tip(external_id="K-meanwhile"))
    )
    assert first.done + second.done == owed
    assert await kek_ids(service) == {new}
    await all_open(service, [*ids, made.stored.id])
    await service.check_house()


async def test_a_runner_that_was_stopped_goes_on_where_it_was(service: Service) -> None:
    """Killed after any batch: what was done stays done, nothing is half, and another run does the rest."""
    ids = await accepted(service, 6)
    old, new = await rotate(service)
    with pytest.raises(KilledError):
        await rewrap(service, 2, kill)
    assert await kek_ids(service) == {old, new}
    await all_open(service, ids)
    assert (await rewrap(service, 2)).done > 0
    assert await kek_ids(service) == {new}
    await all_open(service, ids)


async def test_a_rewrapping_ends_with_the_outage_and_goes_on_after_it(service: Service) -> None:
    """The key service goes away in the middle: an error that says so, nothing half, and another run does the rest."""
    files = service.desk.vault.providers
    ids = await accepted(service, 4)
    keys = KeyService()
    served_by(service, keys, *files)

    def away(_: Rewrapped) -> None:
        keys.away = True

    with pytest.raises(KeysUnavailableError):
        await rewrap(service, 2, away)
    keys.away = False
    await rewrap(service, 2)
    assert await kek_ids(service) == {"service.v1"}
    await all_open(service, ids)


async def test_a_service_moves_from_files_to_a_key_service_and_back(service: Service) -> None:
    """The former provider opens what it wrapped; after re-wrapping it is needed no more."""
    files = service.desk.vault.providers[0]
    ids, keys = await accepted(service), KeyService()
    served_by(service, keys, files)
    await all_open(service, ids)
    await rewrap(service)
    served_by(service, keys)
    await all_open(service, ids)
    served_by(service, files, keys)
    await rewrap(service)
    served_by(service, files)
    await all_open(service, ids)


async def test_what_no_key_opens_is_counted_and_left(service: Service) -> None:
    """Rule 4 of re-keying: a destroyed key-encryption key is a finding of `keys status`, and stops nobody."""
    await accepted(service, 3)
    old, new = await rotate(service)
    kept = (await service.accept(tip(external_id="K-new"))).stored.id
    with pytest.raises(KilledError):
        await rewrap(service, 1, kill)
    (service.folder / "keys" / "kek").unlink()
    done = await rewrap(service)
    assert (done.done, done.shut > 0) == (0, True)
    (missing,) = [one for one in await rekeying.status(service.database, service.desk.vault) if one.kek_id == old]
    assert missing == Held(old, done.shut, 0, live=False, wraps=False)
    await all_open(service, [kept])
    shut = [row.owner for row in await service.rows(f"select owner from data_keys where kek_id = '{old}'")]  # noqa: S608 - our own id
    assert len(shut) == done.shut
    with pytest.raises(SealError):
        await service.database.read(lambda tx: service.desk.vault.key(tx, shut[0]))
    assert new in await kek_ids(service)
