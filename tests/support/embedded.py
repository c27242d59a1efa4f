"""A database with the schema in it, made by the migrations once per process and copied from then on.

Making it anew for each test was half of what the tests cost. What the migrations do is for their own tests
(`tests/storage/test_migrations.py`), which start from nothing.
"""

import tempfile
from pathlib import Path

from tests.support import postgres
from tiprouter.storage import migrations

_SQLITE = "sqlite:///"
_made: list[bytes] = []


async def prepared(url: str) -> None:
    """Give a database the schema: a SQLite file that is not there yet by a copy, any other by the migrations."""
    if postgres.has_schema(url):
        return
    file = Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None
    if file is None or file.exists():
        await migrations.migrate(url)
        return
    if not _made:
        with tempfile.TemporaryDirectory(prefix="tiprouter-schema-") as folder:
            await migrations.migrate(f"{_SQLITE}{folder}/tiprouter.db")
            _made.append((Path(folder) / "tiprouter.db").read_bytes())
    file.write_bytes(_made[0])
