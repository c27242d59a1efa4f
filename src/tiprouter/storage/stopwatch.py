"""How long does the database take of a story, for a benchmark to say?

1. Every statement of every engine of this process counts, from when it is handed to the driver until it answered.
2. It is listened to only inside `listening`; a service never pays for it.

Not promised: what a commit takes; a story does not see its own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa


@contextmanager
def listening(begin: Callable[[], None], end: Callable[[], None]) -> Iterator[None]:
    """Call `begin` before and `end` after each statement, while inside."""

    def before(*_: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own arguments, none of them looked at
        begin()

    def after(*_: Any) -> None:  # noqa: ANN401 - as above
        end()

    sa.event.listen(sa.Engine, "before_cursor_execute", before)
    sa.event.listen(sa.Engine, "after_cursor_execute", after)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", before)
        sa.event.remove(sa.Engine, "after_cursor_execute", after)
