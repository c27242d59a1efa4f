"""Which cells of a table of counts may the public see, so that no small one can be found out?

1. A table is told with all its margins: each axis has a further place, `TOTAL`, and a line is a sum. Whoever reads it
   knows that.
2. A cell under the threshold is withheld, a margin too. A zero is told: it is about nobody (as the Centers for Medicare
   & Medicaid Services do with 1 to 10). Whoever reads the table knows therefore that what is withheld is not zero.
3. Withholding small cells alone hides nothing: what is left over of a line is their sum. So for each small cell a block
   is withheld whole: the cell, another place on each axis, and all corners between them. Along such a block so much can
   be moved that every line keeps its sum, no corner falls to zero, and the small cell reaches the threshold. That other
   table agrees with everything that is told: nobody can tell it from the true one, and so nobody can tell even that the
   cell is small.
4. There always is such a block: the one towards the totals, in which everything grows. The cheapest one is taken:
   fewest further cells, then fewest counts withheld.
5. What is withheld later never uncovers what was hidden before: it only leaves more tables possible.
6. Tables that share counts are faces of one table and are told as such: `face`. What stands on none of them is told
   nowhere, and blocks lead through it at no cost; yet its small cells are hidden as all others are, for sums and
   differences of the faces speak of them.

Not promised: anything against a reader who knows some of the people in a cell, nor about tables that share counts and
are not faces of one: else, tables published together are to be about different things.

Source: the transport of a quantity along a block is the audit of complementary suppression, e.g. Statistical Policy
Working Paper 22 (Federal Committee on Statistical Methodology, 2005), chapter IV.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import Final, TypeAlias

TOTAL: Final = "total"
THRESHOLD: Final = 11
AXES_MAX: Final = 3

Cell: TypeAlias = tuple[str, ...]
"""A place on each axis."""


def with_margins(axes: Sequence[Sequence[str]], counts: Mapping[Cell, int]) -> dict[Cell, int]:
    """Every cell of the table and every margin; what `counts` does not name is zero.

    Raises `ValueError` for other than one to `AXES_MAX` axes, a place named `TOTAL` or twice, an unknown cell, a count
    below zero.
    """
    if not 1 <= len(axes) <= AXES_MAX or any(TOTAL in axis or len(set(axis)) < len(axis) for axis in axes):
        raise ValueError("a table has one to three axes, each with places of its own")
    whole = dict.fromkeys(product(*((*axis, TOTAL) for axis in axes)), 0)
    inner = set(product(*axes))
    for cell, count in counts.items():
        if cell not in inner or count < 0:
            raise ValueError("a table counts what is in it")
        for margin in product(*((place, TOTAL) for place in cell)):
            whole[margin] += count
    return whole


def published(
    axes: Sequence[Sequence[str]],
    counts: Mapping[Cell, int],
    threshold: int = THRESHOLD,
    untold: Collection[Cell] = (),
) -> dict[Cell, int | None]:
    """Every cell and margin that may be told; None where it is withheld (rules 2-4).

    `untold` are cells that are told nowhere; if they are not zero, they are withheld from the first (rule 6).
    """
    whole = with_margins(axes, counts)
    small = [cell for cell, count in whole.items() if 0 < count < threshold]
    withheld = {*small, *(cell for cell in untold if whole[cell])}
    for cell in sorted(small, key=lambda one: (whole[one], one)):
        withheld |= _cheapest(axes, whole, cell, threshold - whole[cell], withheld)
    return {cell: None if cell in withheld else count for cell, count in whole.items()}


def face(told: Mapping[Cell, int | None], axis: int) -> dict[Cell, int | None]:
    """A table without one of its axes: the margins of that axis (rule 6)."""
    return {(*at[:axis], *at[axis + 1 :]): count for at, count in told.items() if at[axis] == TOTAL}


def _cheapest(
    axes: Sequence[Sequence[str]], whole: Mapping[Cell, int], cell: Cell, rise: int, withheld: set[Cell]
) -> frozenset[Cell]:
    """The block that lets a cell rise so much, and costs least beyond what is withheld already (rules 3, 4)."""

    def cost(block: frozenset[Cell]) -> tuple[int, int, list[Cell]]:
        new = block - withheld
        return len(new), sum(whole[one] for one in new), sorted(block)

    others = [[place for place in (*axis, TOTAL) if place != mine] for axis, mine in zip(axes, cell, strict=True)]
    blocks = (_block(whole, cell, other, rise) for other in product(*others))
    return min((block for block in blocks if block is not None), key=cost)


def _block(whole: Mapping[Cell, int], cell: Cell, other: Cell, rise: int) -> frozenset[Cell] | None:
    """The corners between two cells, if the first can rise so much while every line keeps its sum."""
    found = []
    for corner, moved in _moved(cell, other, rise):
        count = whole[corner]
        if count == 0 or count + moved <= 0:
            return None
        found.append(corner)
    return frozenset(found)


def _moved(cell: Cell, other: Cell, rise: int) -> Iterator[tuple[Cell, int]]:
    """Each corner and what it changes by: two places of a line in opposite ways, a place and its total alike."""
    for turns in product((False, True), repeat=len(cell)):
        moved = rise
        for mine, its, turned in zip(cell, other, turns, strict=True):
            if turned and TOTAL not in (mine, its):
                moved = -moved
        yield tuple(its if turned else mine for mine, its, turned in zip(cell, other, turns, strict=True)), moved
