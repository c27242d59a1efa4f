"""A process that accepts tips full of markers until it is killed: `python -m tests.support.marked_child URL FOLDER`."""

import asyncio
import os
import sys
from pathlib import Path

from tests.support.marked import marked
from tests.support.markers import Marks
from tests.support.service import open_service
from tiprouter.domain.vocabulary import RecordKind


async def _accept_for_ever(url: str, folder: Path) -> None:
    mark = Marks("child")
    async with open_service(url, folder) as service:
        while True:
            await service.accept(marked(mark, RecordKind.TIP))
            os.write(1, b"accepted\n")


if __name__ == "__main__":
    asyncio.run(_accept_for_ever(sys.argv[1], Path(sys.argv[2])))
