"""Which bundles passed the gate when this product was released?

The gate's packages need not be where the service runs, so a shipped bundle is known by its digest. A test holds this
list and the bundles equal, and the gate passes them in every build.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

RELEASED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "survivor-led": "96fb67b1ca5819fef694b55196a2429d73317581634ee9df2609d27c059c54c1",
        "tip-sharing": "94630d1d5a3cf9d9c399aba68af0330b9a19b60434806437d586361db310e3ed",
    }
)
"""Shipped bundle -> its digest."""
