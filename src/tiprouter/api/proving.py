"""How is a policy bundle read, proved and compared without keeping anybody waiting?

1. Each takes from a fifth of a second to some seconds: it is done in a thread, before the transaction that needs it.
2. Proofs and comparisons are made one at a time, so that they never take more than one processor from the deliveries.
   The last comparisons are kept: bundles do not change, and two people ask before they approve.
3. What counsel sent is bounded before it is read (`policy/nesting.py`). Whatever is wrong with it is refused with file,
   line and reason; what is wrong with a stored bundle is a defect.
4. Nothing is proved without the gate's packages: `GateUnavailableError` rises, and nothing is recorded.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from tiprouter.api.errors import BundleRefusedError
from tiprouter.api.office import Office
from tiprouter.errors import InvalidError, NotFoundError
from tiprouter.policy.bundle import Bundle, read
from tiprouter.policy.engine import Engine
from tiprouter.policy.files import complete
from tiprouter.policy.gate.check import GateReport, examine
from tiprouter.policy.gate.diff import Difference, difference
from tiprouter.policy.refusal import BundleError
from tiprouter.storage import bundles

KEPT: Final = 16
"""So many comparisons are kept."""


async def read_proposed(files: Mapping[str, str]) -> Bundle:
    """The bundle that these files state (rule 3). Raises `BundleRefusedError`."""
    try:
        return await asyncio.to_thread(_read, files)
    except BundleError as error:
        raise BundleRefusedError(error) from error


async def engine_of(office: Office, digest: str) -> Engine:
    """The engine of a stored bundle. Raises `NotFoundError`."""
    texts = await office.database.read(lambda tx: bundles.texts(tx, digest))
    if texts is None:
        raise NotFoundError
    opened = office.desk.library.open
    return await asyncio.to_thread(opened, digest, texts.files, texts.files_digest, texts.engine)


async def proved(office: Office, digest: str) -> GateReport:
    """What the gate says of a stored bundle. Raises `NotFoundError`, `GateUnavailableError`, `UndecidedError`."""
    bundle = (await engine_of(office, digest)).bundle
    async with office.proving:
        return await asyncio.to_thread(examine, bundle)


async def compared(office: Office, against: str, digest: str) -> Difference:
    """What would change if a stored bundle took another's place.

    Raises `NotFoundError`, `InvalidError` when `against` names no bundle, `BundleRefusedError` when the gate does not
    model one of them, `GateUnavailableError`.
    """
    after = (await engine_of(office, digest)).bundle
    try:
        before = (await engine_of(office, against)).bundle
    except NotFoundError:
        raise InvalidError("This field names no bundle.", "/against") from None
    async with office.proving:
        known = office.differences.get((against, digest))
        if known is not None:
            return known
        try:
            found = await asyncio.to_thread(difference, before, after)
        except BundleError as error:
            raise BundleRefusedError(error) from error
        office.differences[against, digest] = found
        while len(office.differences) > KEPT:
            office.differences.popitem(last=False)
        return found


def _read(files: Mapping[str, str]) -> Bundle:
    return read(complete(files))
