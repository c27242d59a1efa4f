"""What do the workers do beside delivering, again and again?

A chore does a bounded part of its work in one transaction and says how much it did; it is called again until it did
nothing. A chore that finds nothing to do costs one indexed look.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from tiprouter.storage.database import Transaction
from tiprouter.workflow.happening import Desk
from tiprouter.workflow.revisit import revisit

Chore: TypeAlias = Callable[[Transaction, Desk], int]

CHORES: Final[tuple[Chore, ...]] = (revisit,)
"""In the order in which they are done."""
