"""How do many rows reach a table in one statement, without each paying for what all of them share?

1. The statement, its placeholders and what a value becomes on its way are SQLAlchemy's own, of the table's columns: put
   together once for each table and database.
2. Values are given column by column. A value that many rows share, the same object, goes through its type once.
3. Nothing is filled in but by the database: a column that is not given has its default there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect

Columns: TypeAlias = Mapping[str, Sequence[Any]]
"""The values of each column, one for each row."""

Reading: TypeAlias = Mapping[str, Callable[[Any], Any]]
"""How values of some columns are read."""


@dataclass(frozen=True, slots=True)
class _Insert:
    """The text for the driver, the columns in the order of its placeholders, and what each does to a value."""

    text: str
    columns: tuple[tuple[str, Callable[[Any], Any] | None], ...]


_known: dict[tuple[str, tuple[str, ...], str], _Insert] = {}  # one for each way to fill a table: a few dozen


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


def add(tx: Connection, table: sa.Table, columns: Columns) -> None:
    """Insert rows, all columns of one length (rules 1-3); of none nothing happens."""
    insert = _insert(table, tuple(columns), tx.dialect)
    bound = [_bound(process, columns[name]) for name, process in insert.columns]
    rows = list(zip(*bound, strict=True))
    if rows:
        tx.exec_driver_sql(insert.text, rows)


def _bound(process: Callable[[Any], Any] | None, values: Sequence[Any]) -> Sequence[Any]:
    """Rule 2. All values are held meanwhile, so no two share an id."""
    if process is None:
        return values
    ids = list(map(id, values))
    bound = {key: process(value) for key, value in dict(zip(ids, values, strict=True)).items()}
    return [bound[key] for key in ids]


def _insert(table: sa.Table, names: tuple[str, ...], dialect: Dialect) -> _Insert:
    key = (table.name, names, dialect.driver)
    if key not in _known:
        # Inline: no key that the database makes is asked for.
        made = table.insert().inline().compile(dialect=dialect, column_keys=names)
        types = {column.name: column.type.dialect_impl(dialect) for column in table.columns}
        order = made.positiontup or names
        _known[key] = _Insert(str(made), tuple((name, types[name].bind_processor(dialect)) for name in order))
    return _known[key]
