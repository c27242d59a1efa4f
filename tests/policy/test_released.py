"""Is each shipped bundle the one that passed the gate when this product was released?"""

import pytest

from tiprouter.policy.bundle import load
from tiprouter.policy.files import shipped, shipped_names
from tiprouter.policy.gate.check import examine
from tiprouter.policy.released import RELEASED


def test_the_list_names_every_shipped_bundle() -> None:
    """No bundle is shipped that nobody looked at."""
    assert sorted(RELEASED) == shipped_names()


@pytest.mark.parametrize("name", sorted(RELEASED))
def test_a_released_bundle_passes_the_gate_and_is_the_one_that_is_shipped(name: str) -> None:
    """An edit of a shipped bundle needs a new line in the list, and the gate's word first."""
    bundle = load(shipped(name))
    assert bundle.digest == RELEASED[name]
    assert examine(bundle).passed
