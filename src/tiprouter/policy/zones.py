"""When does a day begin in a place, the same on every machine?

1. Zones are the IANA Time Zone Database as the package `tzdata` carries it, never the machine's own files: a birthday
   or a deadline must not depend on when somebody last updated an operating system.
2. A zone is read once. Zones compare by identity, so two readings of one name would be two zones.

Not promised: that a zone can be pickled or copied deeply; one that was read from a file cannot (`zoneinfo`, "Pickle
serialization").
"""

import importlib.metadata
import re
from functools import cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

PACKAGE: Final = "tzdata"

_NAME = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")


class ZoneError(ValueError):
    """A name is no time zone of the IANA database; the text says which."""


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of an IANA name such as `America/Denver`. Raises `ZoneError`."""
    if not _NAME.fullmatch(name):
        raise ZoneError(f"{name or 'nothing'} is not the name of a time zone")
    try:
        with files(PACKAGE).joinpath("zoneinfo", *name.split("/")).open("rb") as stream:
            return ZoneInfo.from_file(stream, key=name)
    except (OSError, ValueError) as error:
        raise ZoneError(f"{name} is not a time zone of the IANA database {version()}") from error


def version() -> str:
    """The version of the database that zones are read from."""
    return importlib.metadata.version(PACKAGE)
