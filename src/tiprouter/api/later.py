"""What answers where the routes are not loaded yet?

1. A path that the access table knows is answered as if they had been there: they are loaded, once and not on the event
   loop, and asked.
2. A path that it does not know loads nothing.
"""

import asyncio
import threading

from fastapi import FastAPI
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from tiprouter.api import access


class Later(BaseRoute):
    """Stands after the routes that are there, for all that are not; it goes when they come."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._loading = threading.Lock()
        self._loaded = False

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the path is one of the service's (rule 2)."""
        known = scope["type"] == "http" and access.methods_at(scope["path"])
        return (Match.FULL if known else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Load the routes, and ask them (rule 1)."""
        await asyncio.to_thread(self.load)
        await self._app.router(scope, receive, send)

    def load(self) -> None:
        """Load every noun, unless they are loaded."""
        with self._loading:
            if self._loaded:
                return
            from tiprouter.api.nouns import NOUNS  # noqa: PLC0415 - a start does not wait for them

            # The routes themselves: `include_router` would build each a second time, for prefixes that we do not have.
            # A new list, because a request may be going through the old one.
            self._app.router.routes = [route for noun in NOUNS for route in noun.router.routes]
            self._loaded = True
