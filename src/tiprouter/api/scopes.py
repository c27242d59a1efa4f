"""Which part of its role's routes may a caller use that was given less than all of them?

1. A scope is a noun of the API and `read` (GET) or `write` (everything else): `tips:write` is every route below
   `/v1/tips` that is not a GET. Every route that asks for a credential is of exactly one scope, so that the table of
   scopes is the access table's and as closed. The log's entries at the root are the audit's, as below `/v1/audit`.
2. A caller's scopes only ever take away: what its role may not use, no scope gives it.
3. A route outside a caller's scopes is not there, like one outside its role.
"""

from collections.abc import Collection, Mapping
from typing import Final

from tiprouter.errors import InvalidError

_LOG: Final = ("/checkpoint", "/tile/")
"""Where clients of tlog-tiles look for a log."""

Rows = Mapping[tuple[str, str], Collection[str]]


def scope_of(method: str, template: str) -> str:
    """The scope of a route (rule 1)."""
    noun = "audit" if template.startswith(_LOG) else template.removeprefix("/v1/").split("/")[0]
    return f"{noun}:{'read' if method == 'GET' else 'write'}"


def of_role(table: Rows, role: str) -> frozenset[str]:
    """Every scope that a role can use any route of."""
    return frozenset(scope_of(*route) for route, roles in table.items() if role in roles)


def checked(table: Rows, role: str, wanted: Collection[str] | None) -> frozenset[str] | None:
    """The scopes that a credential of this role is to have; None is all. Raises `InvalidError`."""
    if wanted is None:
        return None
    if not wanted or not set(wanted) <= of_role(table, role):
        raise InvalidError("These are not scopes of this role.", "/scopes")
    return frozenset(wanted)
