"""What is built before anybody asks for it?

1. Once the service answers, in the background and never on the event loop: what takes tips is built, the other nouns
   are loaded, every route is built, every message. Whoever asks for one that is not there yet waits for that one.
2. A stop ends it after the one that is being built.

Not promised: that a request in the first second finds its route built.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from fastapi import FastAPI

from tiprouter.api.body import Route
from tiprouter.api.later import Later
from tiprouter.api.schemas.words import messages


async def warm(app: FastAPI) -> None:
    """Build all that is not built yet (rule 1)."""
    for build in _buildings(app):
        await asyncio.to_thread(build)


def _buildings(app: FastAPI) -> Iterator[Callable[[], Any]]:
    for route in app.routes:
        if isinstance(route, Route):
            yield route.build
        elif isinstance(route, Later):
            yield route.load
    for route in app.routes:
        if isinstance(route, Route):
            yield route.build
    for message in messages():
        yield message.model_rebuild
