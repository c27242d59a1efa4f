"""Which bundles passed the gate when this product was released?

The gate's packages need not be where the service runs, so a shipped bundle is known by its digest. A test holds this
list and the bundles equal, and the gate passes them in every build.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

RELEASED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "survivor-led": "0",
        "tip-sharing": "0",
    }
)
"""Shipped bundle -> its digest."""
