"""How is one of many values asked for, in a statement that stays the same however many they are?

1. PostgreSQL is given one array: a list of parameters would be another statement for each length of it, prepared and
   planned anew, and takes several times longer for some hundred values.
2. SQLite knows no arrays; there each value is a parameter, of which it takes 32,766.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection


def among(tx: Connection, column: sa.ColumnElement[object], values: Sequence[object]) -> sa.ColumnElement[bool]:
    """Whether a column holds one of these values."""
    if tx.dialect.name == "sqlite":
        return column.in_(values)
    return column == sa.any_(sa.bindparam("among", list(values), postgresql.ARRAY(column.type), unique=True))
