"""Of which types are the tables' columns?

1. Times are whole microseconds since 1970 UTC, so that both databases compare and index them alike.
2. Allowed values of a column derive from the closed vocabulary it holds, those of a state from its table of transitions
   (`one_of`; `domain/storable.py`). An event that moves many rows moves them by that table (`moved`).
3. Any number of ids is one parameter (`named_in`): neither the text of a statement nor its work grows with them.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from tiprouter.domain.states import STATE
from tiprouter.domain.storable import storable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Moment(sa.TypeDecorator[datetime]):
    """An aware UTC datetime, kept as whole microseconds since 1970."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - SQLAlchemy's signature
        """To the database."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - as above
        """From the database."""
        return None if value is None else _EPOCH + value * _MICROSECOND


class _Ids(sa.TypeDecorator[Sequence[str]]):
    """Any number of ids: an array where there are arrays, else JSON."""

    impl = sa.JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        """As this database takes them."""
        return dialect.type_descriptor(sa.JSON() if dialect.name == "sqlite" else sa.ARRAY(sa.String()))


class _NamedIn(FunctionElement[bool]):
    """A column's value is one of those in a parameter."""

    name = "named_in"
    type = sa.Boolean()
    inherit_cache = True
    _is_implicitly_boolean = True
    """Else SQLite is asked whether it `= 1`, for which no index helps."""


@compiles(_NamedIn)
def _in_array(element: _NamedIn, compiler: SQLCompiler, **how: Any) -> str:  # noqa: ANN401 - SQLAlchemy's own
    column, which = (compiler.process(one, **how) for one in element.clauses)
    return f"{column} = ANY ({which})"


@compiles(_NamedIn, "sqlite")
def _in_json(element: _NamedIn, compiler: SQLCompiler, **how: Any) -> str:  # noqa: ANN401 - as above
    column, which = (compiler.process(one, **how) for one in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({which}))"  # noqa: S608 - a column's name and a placeholder


def named_in(column: sa.Column[str], name: str) -> sa.ColumnElement[bool]:
    """The condition that a column holds one of the ids in the parameter of this name, a sequence."""
    return _NamedIn(column, sa.bindparam(name, type_=_Ids()))


def one_of(column: str, values: type[StrEnum]) -> sa.CheckConstraint:
    """The constraint that a column holds a word of its vocabulary that may be stored."""
    listed = ", ".join(f"'{value}'" for value in storable(values))
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def moved(column: sa.Column[Any], moves: Mapping[STATE, STATE]) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[Any]]:
    """Of rows to which an event can happen (`domain/states.moves`): which they are, and where it takes each of them."""
    after = sa.case({before.value: after.value for before, after in moves.items()}, value=column)
    return column.in_([before.value for before in moves]), after


_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = sa.MetaData(naming_convention=_NAMING)

SEALED = sa.text("length(sealed) > 0")
"""A row whose sealed column was not emptied. Spelt out, so that the planner sees the partial index of these words."""

Id = sa.String(40)
Serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")
