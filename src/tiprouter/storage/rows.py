"""How do many rows reach a table in one statement, without each paying for what all of them share?

1. The statement, its placeholders and what a value becomes on its way are SQLAlchemy's own, of the table's columns: put
   together once for each table, or insert into it, and database; from there it is the driver's (`ready.py`).
2. Values are given column by column. A value that many rows share, the same object, goes through its type once.
3. Nothing is filled in but by the database: a column that is not given has its default there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect

from tiprouter.storage import ready
from tiprouter.storage.ready import Change

Columns: TypeAlias = Mapping[str, Sequence[Any]]
"""The values of each column, one for each row."""

Reading: TypeAlias = Mapping[str, Callable[[Any], Any]]
"""How values of some columns are read."""


@dataclass(frozen=True, slots=True)
class _Insert:
    """The text for the driver, the columns in the order of its placeholders, and what each does to a value."""

    text: str
    columns: tuple[tuple[str, Change], ...]


Into: TypeAlias = sa.Table | sa.Insert
"""A table, or an insert into it that does more; made once, as `Ready` is."""

_known: dict[tuple[Into, tuple[str, ...], str], _Insert] = {}  # one for each way to fill a table: a few dozen


def columns_of(names: Iterable[str], values: Sequence[object]) -> dict[str, Sequence[Any]]:
    """The columns of these attributes of values."""
    return {name: list(map(attrgetter(name), values)) for name in names}


def read(rows: Sequence[Sequence[Any]], names: Sequence[str], reading: Reading) -> Iterator[tuple[Any, ...]]:
    """The values of rows of these columns; each value of a column in `reading` is read so, equal ones once."""
    if not rows:
        return iter(())
    columns: dict[str, Sequence[Any]] = dict(zip(names, zip(*rows, strict=True), strict=True))
    for name, what in reading.items():
        known = {value: what(value) for value in set(columns[name])}
        columns[name] = [known[value] for value in columns[name]]
    return zip(*columns.values(), strict=True)


def add(tx: Connection, into: Into, columns: Columns) -> None:
    """Insert rows, all columns of one length (rules 1-3); of none nothing happens."""
    insert = _insert(into, tuple(columns), tx.dialect)
    bound = [_bound(change, columns[name]) for name, change in insert.columns]
    ready.tell(tx, insert.text, list(zip(*bound, strict=True)))


def add_one(tx: Connection, into: Into, row: Mapping[str, Any]) -> None:
    """Insert one row (rules 1, 3)."""
    insert = _insert(into, tuple(row), tx.dialect)
    bound = [row[name] if change is None else change(row[name]) for name, change in insert.columns]
    ready.tell(tx, insert.text, [bound])


def _bound(change: Change, values: Sequence[Any]) -> Sequence[Any]:
    """Rule 2. All values are held meanwhile, so no two share an id."""
    if change is None:
        return values
    ids = list(map(id, values))
    bound = {key: change(value) for key, value in dict(zip(ids, values, strict=True)).items()}
    return [bound[key] for key in ids]


def _insert(into: Into, names: tuple[str, ...], dialect: Dialect) -> _Insert:
    key = (into, names, dialect.driver)
    if key not in _known:
        # Inline: no key that the database makes is asked for.
        insert = into.insert() if isinstance(into, sa.Table) else into
        made = insert.inline().compile(dialect=dialect, column_keys=names)
        order = made.positiontup or names
        changes = ((name, ready.bind_change(made.binds[name].type, dialect)) for name in order)
        _known[key] = _Insert(str(made), tuple(changes))
    return _known[key]
