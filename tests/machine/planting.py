"""Which faults are there, and how is the product run with one of them for a while?"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from tests.machine import faults, faults_leaving
from tests.machine.faults import Patches

FAULTS: Final[Mapping[str, Patches]] = {**faults.FAULTS, **faults_leaving.FAULTS}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The product with one fault, for a while."""
    patches = FAULTS[name]()
    begun = []
    try:
        for one in patches:
            one.start()
            begun.append(one)
        yield
    finally:
        for one in reversed(begun):
            one.stop()
