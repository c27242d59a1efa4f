"""What is a jurisdiction called, when does its day begin, and may a minor there consent alone?

1. One row a jurisdiction; no code twice.
2. `zone` is the IANA zone in which a day of the jurisdiction begins last: a birthday counts, and a business day ends,
   only when it does everywhere in it. It is refused when the database does not know it.
3. `minor_alone` says that a minor there may consent to voluntary services without a guardian. It needs a source.
"""

import re
from typing import Final

from tiprouter.domain.duty import Territory
from tiprouter.policy.tables import CellError, at, rows
from tiprouter.policy.zones import ZoneError, zone

COLUMNS: Final = ("code", "name", "zone", "minor_alone", "source")

_CODE = re.compile(r"US-[A-Z0-9]+(?:-[A-Z0-9]+)*")
_FLAGS = {"true": True, "false": False}


def territories(file: str, text: str) -> dict[str, Territory]:
    """The table by code, as it is ordered. Raises `BundleError` with the line of what cannot be read."""
    table: dict[str, Territory] = {}
    for line, cells in rows(file, text, COLUMNS):
        with at(file, line):
            territory = _territory(cells)
            if territory.code in table:
                raise CellError(f"{territory.code} has two rows")
        table[territory.code] = territory
    return table


def _territory(cells: dict[str, str]) -> Territory:
    if not _CODE.fullmatch(cells["code"]):
        raise CellError("code is not an ISO 3166-2 or tribal code of the United States")
    if not cells["name"].strip():
        raise CellError("name must be a text")
    if cells["minor_alone"] not in _FLAGS:
        raise CellError("minor_alone must be true or false")
    try:
        found = zone(cells["zone"])
    except ZoneError as error:
        raise CellError(f"zone: {error}") from error
    territory = Territory(cells["code"], cells["name"], found, _FLAGS[cells["minor_alone"]], cells["source"])
    if territory.minor_alone and not territory.source:
        raise CellError("minor_alone needs a source")
    return territory
