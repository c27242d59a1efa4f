"""How are the public tables told? Counts alone, and null where one is withheld."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field

from tiprouter.api.schemas.words import Message, Moment
from tiprouter.storage.quarters import Published


class QuarterQuery(Message):
    """Which quarter; the newest that was published when none is named."""

    model_config = ConfigDict(strict=False)

    quarter: Annotated[str | None, Field(pattern=r"^[0-9]{4}-Q[1-4]$", examples=["2026-Q1"])] = None


class DecidingBundle(Message):
    """A policy bundle by digest; `name` is null where it is not stored."""

    digest: str
    name: str | None


class AxisBody(Message):
    """One axis of a table and its places; `total` is a further one. `bundles` decided what outcomes it tells."""

    name: str
    places: tuple[str, ...]
    bundles: tuple[DecidingBundle, ...] = ()


class CellBody(Message):
    """A cell or a margin: a place on each axis, and how many; null where that is withheld."""

    at: tuple[str, ...]
    count: int | None


class PublicTable(Message):
    """A table with its margins."""

    name: str
    axes: tuple[AxisBody, ...]
    cells: tuple[CellBody, ...]


class TransparencyBody(Message):
    """The tables of one quarter as they were published, once and for ever; `published` names all quarters there are.

    Counts from 1 to below the threshold are withheld, and as many others as it takes that none of those is found out.
    Two bundles stand side by side: `decisions` as decided, `decisions_compared` as another shipped bundle would have
    decided the same, and `decisions_changed` from which outcome to which. No difference of them tells a small count.
    """

    published: tuple[str, ...]
    quarter: str | None
    threshold: int | None
    frozen_at: Moment | None
    tables: tuple[PublicTable, ...]

    @classmethod
    def of(cls, known: list[str], found: Published | None) -> Self:
        """One quarter, or none when none is closed."""
        if found is None:
            return cls(published=(), quarter=None, threshold=None, frozen_at=None, tables=())
        return cls(
            published=tuple(known),
            quarter=found.quarter,
            threshold=found.threshold,
            frozen_at=found.frozen_at,
            tables=tuple(PublicTable.model_validate(one, strict=False) for one in found.tables),
        )
