"""How does another key-encryption key take the place of the one that wraps?

1. A rotation makes a new key; what is wrapped from then on is wrapped with it, in every process. What the old ones
   wrapped still opens: nothing stops, nothing is re-written.
2. Re-wrapping goes through the rest in small batches, each one transaction with its entry. A batch that was killed
   left nothing half; running again finds what is left. Two runners share the work.
3. Nothing is unwrapped or wrapped inside a transaction: a slow key service keeps no story waiting.
4. What was erased meanwhile stays erased (`storage/rewrapping.py`). What cannot be opened is counted and left.
5. A rotation is made on the host, by whoever may read the keys anyhow: it asks for no second person, and the API has
   none.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.storage import rewrapping
from tiprouter.storage.database import Database, Transaction
from tiprouter.storage.key_providers import Wrapped
from tiprouter.storage.key_providers.off_loop import off_the_loop
from tiprouter.storage.rewrapping import Wrapping
from tiprouter.storage.vault import SealError, Vault
from tiprouter.workflow.happening import Actor, Desk, happening

BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class Held:
    """One key-encryption key: how many data keys and secrets it wraps, whether it opens here, and whether it wraps."""

    kek_id: str
    keys: int
    secrets: int
    live: bool
    wraps: bool


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What a run did: wrappings exchanged, and how many could not be opened."""

    done: int
    shut: int


def rotate(tx: Transaction, desk: Desk, actor: Actor) -> tuple[str, str]:
    """Make a new key-encryption key (rules 1, 5); the ids of the old and the new one.

    Raises `KeysUnavailableError`, and `ConfigurationError` where the key is somebody else's to make.
    """
    provider = desk.vault.providers[0]
    with happening(tx, desk, actor) as it:
        old = off_the_loop(provider.ids)[-1]
        new = off_the_loop(provider.rotate)
        # If we were to crash here, a key would have been made that no entry tells of. It wraps from now on all the
        # same, `keys status` shows it, and the entry of its first re-wrapping names it.
        it.log(Kind.KEK_ROTATED, {"kek": new, "replaces": old})
        return old, new


async def status(database: Database, vault: Vault) -> list[Held]:
    """Every key-encryption key that is live or still wraps something. Raises `KeysUnavailableError`."""
    counted = await database.read(rewrapping.counts)
    live = await asyncio.to_thread(lambda: [kek_id for one in vault.providers for kek_id in one.ids()])
    wraps = (await asyncio.to_thread(vault.providers[0].ids))[-1]
    return [
        Held(kek_id, *counted.get(kek_id, (0, 0)), live=kek_id in live or not kek_id, wraps=kek_id == wraps)
        for kek_id in dict.fromkeys([*counted, *live])
    ]


async def rewrap(
    database: Database, desk: Desk, actor: Actor, limit: int = BATCH, tell: Callable[[Rewrapped], None] | None = None
) -> Rewrapped:
    """Wrap with the newest key whatever is not (rules 2-4); `tell` hears of the progress after each batch.

    Raises `KeysUnavailableError`: what was done is done, and running again goes on from there.
    """
    current = (await asyncio.to_thread(desk.vault.providers[0].ids))[-1]
    done = 0
    while True:
        # Until a look through everything exchanges nothing: what another story held, or made meanwhile, comes later.
        found = await database.read(lambda tx: rewrapping.outdated_secrets(tx, current))
        look = await _batch(database, desk, actor, found, Rewrapped(0, 0))
        after = ""
        while found := await database.read(partial(rewrapping.outdated, current=current, after=after, limit=limit)):
            after = found[-1].name
            look = await _batch(database, desk, actor, found, look)
            if tell is not None:
                tell(Rewrapped(done + look.done, look.shut))
        done += look.done
        if not look.done:
            return Rewrapped(done, look.shut)


async def _batch(
    database: Database, desk: Desk, actor: Actor, found: Sequence[Wrapping], so_far: Rewrapped
) -> Rewrapped:
    made, shut = await asyncio.to_thread(_made, desk.vault, found)
    # If we were to crash here, nothing would have happened: the new wrappings were never anywhere but in memory.
    done = await database.write(lambda tx: _exchange(tx, desk, actor, made)) if made else 0
    return Rewrapped(so_far.done + done, so_far.shut + shut)


def _made(vault: Vault, found: Sequence[Wrapping]) -> tuple[list[tuple[Wrapping, Wrapped]], int]:
    """New wrappings (rule 3), and how many of the old ones do not open (rule 4)."""
    made = []
    for one in found:
        try:
            made.append((one, rewrapping.rewrapped(vault, one)))
        except SealError:
            continue
    return made, len(found) - len(made)


def _exchange(tx: Transaction, desk: Desk, actor: Actor, made: Sequence[tuple[Wrapping, Wrapped]]) -> int:
    with happening(tx, desk, actor) as it:
        done = rewrapping.exchange(tx, made)
        for old, count in done.items():
            it.log(Kind.KEY_REWRAPPED, {"kek": made[0][1].kek_id, "replaces": old or None, "count": count})
        return sum(done.values())
