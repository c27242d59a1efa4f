"""Does exactly one of two sequencers work, and the other once it is dead? (`python -m tests.audit.standing_by`)"""

import asyncio
from pathlib import Path

from tests.audit.standing_by import taken_over
from tests.support import postgres


def test_of_two_sequencers_one_works_and_the_other_takes_over(tmp_path: Path, postgres_url: str) -> None:
    """Killed once: the log goes on, the killed one stands by again, and every committed entry is in the log once."""
    url = asyncio.run(postgres.new_database(postgres_url, migrated=True))
    took, wrong = asyncio.run(taken_over(url, tmp_path, 1))
    assert (len(took), wrong) == (1, [])
    asyncio.run(postgres.drop_database(url))
