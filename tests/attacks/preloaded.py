"""What every process that is to be killed needs, loaded and used once: the server that forks them imports this."""

import asyncio
import tempfile
from pathlib import Path

from tests.attacks.hearing import hearing
from tests.attacks.pipeline import Life, whole_life
from tiprouter.storage import migrations


async def _warm(folder: Path) -> None:
    async with hearing() as agency:
        life = Life(f"sqlite:///{folder}/tiprouter.db", folder, agency.url)
        await migrations.migrate(life.url)
        await whole_life(life)


with tempfile.TemporaryDirectory(prefix="tiprouter-warm-") as folder:
    asyncio.run(_warm(Path(folder)))
