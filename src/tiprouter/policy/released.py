"""Which bundles passed the gate when this product was released?

The gate's packages need not be where the service runs, so a shipped bundle is known by its digest. A test holds this
list and the bundles equal, and the gate passes them in every build.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

RELEASED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "survivor-led": "6d18d0d5a07f98ef0701e6473e0205f89448e442fa5747b0ff5f734a8e50f897",
        "tip-sharing": "ae220fa4ce65bc20ab9f266d3058f50d51a725fda837cb7eed895e992a98dd12",
    }
)
"""Shipped bundle -> its digest."""
