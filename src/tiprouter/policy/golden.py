"""Which decisions did people write down beforehand, and does a bundle still make them?

1. Each row states facts, the outcome, the categories that leave, every determining policy, and the obligations.
2. The first row is called `base` and states all facts; every other row states only what differs from it, as
   `fact=value` joined by semicolons. `consent` sets all categories, `consent.<category>` one; the later wins. `rows`
   are duty rows joined by spaces; none where it is not stated.
3. Obligations are `by` (the earliest deadline of the policies, in minutes), `notice`, `call` and `written`, joined by
   semicolons; what is not owed is left out.
4. Every policy of a bundle determines at least one row (`unpinned`): otherwise it could be changed unseen.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from tiprouter.domain.facts import Facts, Finding
from tiprouter.domain.outcome import Notice, Ruling, narrowed, verdict_of
from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    Basis,
    Category,
    ConsentState,
    DutyState,
    Outcome,
    Perceived,
    RecipientKind,
    Relationship,
    Role,
)
from tiprouter.policy.spans import spelled
from tiprouter.policy.tables import CellError, at, rows

COLUMNS: Final = ("name", "facts", "outcome", "categories", "policies", "obligations")
BASE: Final = "base"

_FLAGS = {"true": True, "false": False}
_VOCABULARIES: Final[Mapping[str, type[StrEnum]]] = {
    "recipient_kind": RecipientKind,
    "in_jurisdiction": Answer,
    "role": Role,
    "age": AgeBand,
    "duty": DutyState,
    "reporter": Relationship,
    "immediate": Answer,
    "escalating": Answer,
    "perceived": Perceived,
    "basis": Basis,
}
_NOW = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class GoldenRow:
    """One decision as written down; `line` is where."""

    name: str
    facts: Facts
    outcome: Outcome
    categories: frozenset[Category]
    policies: tuple[str, ...]
    obligations: tuple[str, ...]
    line: int


def golden_rows(file: str, text: str) -> tuple[GoldenRow, ...]:
    """The table, in its order. Raises `BundleError` with the line of the first row that cannot be read."""
    table: list[GoldenRow] = []
    base: dict[str, object] = {}
    for line, cells in rows(file, text, COLUMNS):
        with at(file, line):
            if any(row.name == cells["name"] for row in table):
                raise CellError(f"two rows are called {cells['name']}")
            stated = base | _stated(cells["facts"], base)
            if not table:
                _require_base(cells["name"], stated)
                base = stated
            table.append(_row(cells, stated, line))
    return tuple(table)


def mismatches(table: Iterable[GoldenRow], rule: Callable[[Facts], Ruling]) -> Iterator[str]:
    """Each row that a bundle decides otherwise than written, in words."""
    for row in table:
        ruling = rule(row.facts)
        verdict = verdict_of(Finding(row.facts, None, None), ruling, _NOW)
        owed = ";".join(obligations(narrowed(row.facts, ruling)))
        made = (verdict.outcome, _joined(verdict.categories), ";".join(verdict.policies), owed)
        written = (row.outcome, _joined(row.categories), ";".join(row.policies), ";".join(row.obligations))
        if made != written:
            yield f"line {row.line}, {row.name}: written {' | '.join(written)}, decided {' | '.join(made)}"


def obligations(ruling: Ruling) -> Iterator[str]:
    """What a ruling obliges to, as a row states it (rule 3)."""
    if ruling.within:
        yield f"by={int(min(ruling.within).total_seconds() // 60)}m"
    if ruling.notice is not Notice.NOT_REQUIRED:
        yield f"notice={ruling.notice.value}"
    if ruling.call:
        yield "call"
    yield from (f"written={spelled(span)}" for span in ruling.written)


def unpinned(table: Iterable[GoldenRow], policies: Iterable[str]) -> frozenset[str]:
    """The policies that determine no row (rule 4)."""
    return frozenset(policies) - {policy for row in table for policy in row.policies}


def _joined(categories: frozenset[Category]) -> str:
    return ";".join(category for category in Category if category in categories)


def _require_base(name: str, values: Mapping[str, object]) -> None:
    missing = {field.name for field in fields(Facts)} - set(values) - {"rows"}
    if name != BASE or missing:
        raise CellError(f"the first row must be called {BASE} and state every fact; missing: {sorted(missing)}")


def _stated(cell: str, base: Mapping[str, object]) -> dict[str, object]:
    """The facts a cell states, over those of the base row."""
    values: dict[str, object] = {}
    for part in filter(None, cell.split(";")):
        name, _, word = part.partition("=")
        if name == "consent":
            values["consents"] = (_word(name, word, ConsentState),) * len(Category)
        elif name == "rows":
            values[name] = tuple(word.split())
        elif name.startswith("consent."):
            category = _word(name, name.removeprefix("consent."), Category)
            known = values.get("consents", base.get("consents"))
            if not isinstance(known, tuple):
                raise CellError("consent must be stated before the consent of one category")
            values["consents"] = _with(known, category, _word(name, word, ConsentState))
        else:
            values[name] = _fact(name, word)
    return values


def _with(states: Sequence[object], category: StrEnum, state: StrEnum) -> tuple[object, ...]:
    return tuple(state if known is category else before for known, before in zip(Category, states, strict=True))


def _fact(name: str, word: str) -> object:
    if name in _VOCABULARIES:
        return _word(name, word, _VOCABULARIES[name])
    if name not in {"usable", "agreement", "implicated", "fresh"}:
        raise CellError(f"{name} is not a fact")
    if word not in _FLAGS:
        raise CellError(f"{name} must be true or false")
    return _FLAGS[word]


def _word(name: str, word: str, vocabulary: type[StrEnum]) -> StrEnum:
    try:
        return vocabulary(word)
    except ValueError as error:
        raise CellError(f"{name}: {word} is not one of {', '.join(vocabulary)}") from error


def _row(cells: Mapping[str, str], values: Mapping[str, object], line: int) -> GoldenRow:
    return GoldenRow(
        name=cells["name"],
        facts=_facts(values),
        outcome=Outcome(_word("outcome", cells["outcome"], Outcome)),
        categories=frozenset(
            Category(_word("categories", word, Category)) for word in cells["categories"].split(";") if word
        ),
        policies=tuple(word for word in cells["policies"].split(";") if word),
        obligations=tuple(word for word in cells["obligations"].split(";") if word),
        line=line,
    )


def _facts(values: Mapping[str, object]) -> Facts:
    arguments: dict[str, Any] = dict(values)
    return Facts(**arguments)
