"""How does a statement that every tip makes reach the driver, without being made anew each time?

1. Its text, its placeholders and what becomes of values and results are SQLAlchemy's own, put together once for each
   statement and database (`Ready`): on its own way SQLAlchemy takes several times longer than the database.
2. Rows come as tuples, in the order of what was selected. A parameter takes one value; any number of ids are one by
   `columns.named_in`.
3. Whoever listens to the statements of an engine or a connection hears these too: then they go SQLAlchemy's way.
4. What the driver refuses is raised as SQLAlchemy raises it, and never tells the values.
5. A connection on which somebody was interrupted is not used again: nobody knows how much of it was said. Nor is one
   where a statement was prepared before the schema changed: it would be refused for as long as the connection lives.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect

T = TypeVar("T")

Change: TypeAlias = Callable[[Any], Any] | None
"""What a value becomes on its way; None leaves it as it is."""

_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class _Plan:
    """The text for the driver; by placeholder, its name and change; values that are always the same; results' changes.

    The same values stand here as they go to the driver.
    """

    text: str
    binds: tuple[tuple[str, Change], ...]
    same: Mapping[str, Any]
    changes: tuple[tuple[int, Callable[[Any], Any]], ...]

    def bound(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """What the driver gets for its placeholders."""
        return tuple(
            self.same[name] if name in self.same else values[name] if change is None else change(values[name])
            for name, change in self.binds
        )


class Ready:
    """A statement that is always ready (rules 1 and 2); made once, at the top of a module."""

    def __init__(self, statement: sa.Select[Any] | sa.CompoundSelect[Any] | sa.Update) -> None:
        self._statement = statement
        self._plans: dict[str, _Plan] = {}  # by driver: one or two

    def all(self, tx: Connection, values: Mapping[str, Any] = _NOTHING) -> Sequence[tuple[Any, ...]]:
        """Every row."""
        plan = self._plan(tx.dialect)
        rows = ask(tx, plan.text, plan.bound(values))
        if not plan.changes or not rows:
            return rows
        changed = [list(row) for row in rows]
        for row in changed:
            for place, change in plan.changes:
                row[place] = change(row[place])
        return list(map(tuple, changed))

    def one(self, tx: Connection, values: Mapping[str, Any] = _NOTHING) -> tuple[Any, ...] | None:
        """The first row, or None."""
        return next(iter(self.all(tx, values)), None)

    def firsts(self, tx: Connection, values: Mapping[str, Any] = _NOTHING) -> list[Any]:
        """The first value of every row."""
        return list(map(itemgetter(0), self.all(tx, values)))

    def first(self, tx: Connection, values: Mapping[str, Any] = _NOTHING) -> Any:  # noqa: ANN401 - of any column
        """The first value of the first row; None where there is no row, too."""
        return next(iter(self.firsts(tx, values)), None)

    def tell(self, tx: Connection, *each: Mapping[str, Any]) -> None:
        """Make the change, once with each of these values."""
        plan = self._plan(tx.dialect)
        tell(tx, plan.text, list(map(plan.bound, each)))

    def _plan(self, dialect: Dialect) -> _Plan:
        if dialect.driver not in self._plans:
            self._plans[dialect.driver] = _planned(self._statement, dialect)
        return self._plans[dialect.driver]


def bind_change(kind: sa.types.TypeEngine[Any], dialect: Dialect) -> Change:
    """What a value of this type becomes on its way to the driver."""
    return kind.dialect_impl(dialect).bind_processor(dialect)


def ask(tx: Connection, text: str, values: Sequence[Any]) -> Sequence[tuple[Any, ...]]:
    """The rows that the driver gives for this text (rules 3 and 4)."""
    if tx.dispatch.before_cursor_execute:
        return [tuple(row) for row in tx.exec_driver_sql(text, tuple(values))]

    def answer(cursor: Any) -> Sequence[tuple[Any, ...]]:  # noqa: ANN401 - the driver's own
        cursor.execute(text, values)
        rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
        return rows

    return _driven(tx, answer)


def tell(tx: Connection, text: str, each: Sequence[Sequence[Any]]) -> None:
    """Have the driver do this with each of these values, of none nothing (rules 3 and 4)."""
    if not each:
        return
    if tx.dispatch.before_cursor_execute:
        tx.exec_driver_sql(text, [tuple(values) for values in each])
    elif len(each) == 1:
        _driven(tx, lambda cursor: cursor.execute(text, each[0]))
    else:
        _driven(tx, lambda cursor: cursor.executemany(text, each))


def _driven(tx: Connection, work: Callable[[Any], T]) -> T:
    if not tx.in_transaction():
        tx.begin()  # as SQLAlchemy does by itself: a question is answered on one snapshot
    driven = tx.connection.dbapi_connection
    assert driven is not None  # noqa: S101 - a connection that was given back has none
    cursor = driven.cursor()
    try:
        return work(cursor)
    except tx.dialect.loaded_dbapi.Error as error:
        lost = tx.dialect.is_disconnect(error, driven, cursor) or _outdated(tx.dialect, error)
        if lost:
            tx.invalidate(error)
        raise _as_raised(tx, error, lost=lost) from error
    except Exception:
        raise
    except BaseException as error:
        tx.invalidate(error)  # rule 5
        raise
    finally:
        if not tx.invalidated:
            cursor.close()


def _outdated(dialect: Dialect, error: Exception) -> bool:
    """Whether what was prepared has another shape since the schema changed (rule 5); asyncpg alone prepares."""
    kind = getattr(dialect.loaded_dbapi, "InvalidCachedStatementError", None)
    return kind is not None and isinstance(error, kind)


def _as_raised(tx: Connection, error: Exception, *, lost: bool) -> BaseException:
    """Rule 4."""
    base = tx.dialect.loaded_dbapi.Error
    return sa.exc.DBAPIError.instance(
        None, None, error, base, hide_parameters=True, connection_invalidated=lost, dialect=tx.dialect
    )


def _planned(statement: sa.Select[Any] | sa.CompoundSelect[Any] | sa.Update, dialect: Dialect) -> _Plan:
    made = statement.compile(dialect=dialect)
    changes = {name: bind_change(bind.type, dialect) for name, bind in made.binds.items()}
    binds = tuple((name, changes[name]) for name in made.positiontup or ())
    always = {name: bind.effective_value for name, bind in made.binds.items() if not bind.required}
    same = {name: change(value) if (change := changes[name]) else value for name, value in always.items()}
    columns = () if isinstance(statement, sa.Update) else statement.selected_columns
    results = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
    return _Plan(str(made), binds, same, tuple((place, how) for place, how in enumerate(results) if how is not None))
