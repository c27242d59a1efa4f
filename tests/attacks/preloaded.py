"""What every process that is to be killed needs, loaded and used once: the server that forks them imports this."""

import asyncio
import tempfile
from pathlib import Path

from tests.attacks.pipeline import Life, whole_life
from tiprouter.storage import migrations

with tempfile.TemporaryDirectory(prefix="tiprouter-warm-") as folder:
    warm = Life(f"sqlite:///{folder}/tiprouter.db", Path(folder))
    asyncio.run(migrations.migrate(warm.url))
    asyncio.run(whole_life(warm))
