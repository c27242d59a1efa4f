"""Nobody finds out a small cell of a published table: not by sums, not by solving, not by trying all whole numbers.

Nor of tables that are faces of one (rule 6): two bundles side by side, and the difference of the two.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from importlib import import_module
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiprouter.domain import suppression
from tiprouter.domain.suppression import TOTAL, Cell, face, published, with_margins

z3: Any = import_module("z3")  # it tells no types

Table = tuple[list[list[str]], dict[Cell, int]]
COUNTS = st.one_of(st.just(0), st.integers(1, 10), st.integers(11, 14), st.integers(11, 500))


@st.composite
def tables(draw: st.DrawFn, axes_max: int = 3) -> Table:
    """Tables of one to three axes with many small cells, zeros and cells just above the threshold."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=axes_max))
    axes = [[f"{letter}{number}" for number in range(size)] for letter, size in zip("abc", sizes, strict=False)]
    return axes, {cell: draw(COUNTS) for cell in product(*axes)}


def lines(axes: Sequence[Sequence[str]]) -> list[tuple[Cell, list[Cell]]]:
    """Each margin, and the cells it is the sum of, along each axis: what every reader knows."""
    found: list[tuple[Cell, list[Cell]]] = []
    for number, axis in enumerate(axes):
        others = [[*one, TOTAL] if at != number else [TOTAL] for at, one in enumerate(axes)]
        found += [
            (margin, [(*margin[:number], place, *margin[number + 1 :]) for place in axis])
            for margin in product(*others)
        ]
    return found


def equations(axes: Sequence[Sequence[str]], told: Mapping[Cell, int | None]) -> list[tuple[dict[Cell, int], int]]:
    """The lines as equations over what is withheld: coefficients, and what is known on the other side."""
    found = []
    for margin, parts in lines(axes):
        unknown: dict[Cell, int] = {}
        known = 0
        for cell, sign in [(margin, -1), *((part, 1) for part in parts)]:
            value = told[cell]
            if value is None:
                unknown[cell] = sign
            else:
                known -= sign * value
        if unknown:
            found.append((unknown, known))
    return found


def solved(axes: Sequence[Sequence[str]], told: Mapping[Cell, int | None]) -> set[Cell]:
    """The withheld cells that linear algebra alone gives away, by exact elimination."""
    cells = sorted(cell for cell, value in told.items() if value is None)
    rows = [[Fraction(one.get(cell, 0)) for cell in cells] for one, _ in equations(axes, told)]
    done = 0
    for column in range(len(cells)):
        pivot = next((row for row in range(done, len(rows)) if rows[row][column]), None)
        if pivot is None:
            continue
        rows[done], rows[pivot] = rows[pivot], rows[done]
        rows[done] = [value / rows[done][column] for value in rows[done]]
        for row in range(len(rows)):
            if row != done and rows[row][column]:
                factor = rows[row][column]
                rows[row] = [mine - factor * its for mine, its in zip(rows[row], rows[done], strict=True)]
        done += 1
    alone = [row for row in rows if sum(1 for value in row if value) == 1]
    return {cells[next(at for at, value in enumerate(row) if value)] for row in alone}


def can_be_large(axes: Sequence[Sequence[str]], told: Mapping[Cell, int | None], cell: Cell, threshold: int) -> bool:
    """Whether whole numbers above zero exist that agree with all that is told, the cell at the threshold or above."""
    solver, names = whole_numbers(axes, told)
    solver.add(names[cell] >= threshold)
    return bool(solver.check() == z3.sat)


def whole_numbers(axes: Sequence[Sequence[str]], told: Mapping[Cell, int | None]) -> tuple[Any, dict[Cell, Any]]:
    """A solver that knows all that is told, and its names for what is withheld."""
    solver = z3.Solver()
    names = {one: z3.Int("/".join(one)) for one, value in told.items() if value is None}
    solver.add(*(name >= 1 for name in names.values()))
    for unknown, known in equations(axes, told):
        solver.add(z3.Sum([sign * names[one] for one, sign in unknown.items()]) == known)
    return solver, names


def given_away(table: Table, told: Mapping[Cell, int | None], threshold: int = 11) -> set[Cell]:
    """The small cells that somebody finds out: told outright, solved, or known to be small by whole numbers."""
    axes, counts = table
    small = {cell for cell, count in with_margins(axes, counts).items() if 0 < count < threshold}
    outright = {cell for cell in small if told[cell] is not None}
    found = outright | (solved(axes, told) & small)
    return found | {one for one in small - found if not can_be_large(axes, told, one, threshold)}


@st.composite
def compared(draw: st.DrawFn) -> Table:
    """The same decisions by the outcomes of two bundles and by kind; most stay, few move, as it is with bundles."""
    outcomes = ["o0", "o1", "o2"][: draw(st.integers(1, 3))]
    axes = [outcomes, outcomes, ["k0", "k1"][: draw(st.integers(1, 2))]]
    moves = st.one_of(st.just(0), st.integers(1, 10), st.integers(11, 60))
    return axes, {cell: draw(COUNTS if cell[0] == cell[1] else moves) for cell in product(*axes)}


def movers(cells: Sequence[Cell]) -> list[list[Cell]]:
    """What two tables side by side differ by: who leaves an outcome, and who comes to it, of each kind and of all."""
    places, kinds = sorted({cell[0] for cell in cells}), sorted({cell[2] for cell in cells})
    return [
        [cell for cell in cells if cell[side] == place != cell[1 - side] and cell[2] in some]
        for side, place, some in product((0, 1), places, (*([kind] for kind in kinds), kinds))
    ]


def sides(axes: Sequence[Sequence[str]], *faces: Mapping[Cell, int | None]) -> dict[Cell, int | None]:
    """What a reader of the faces knows of the whole: without the second axis, the first, the third."""
    whole = product(*((*axis, TOTAL) for axis in axes))
    return {
        cell: next(
            (
                faces[number][(*cell[:axis], *cell[axis + 1 :])]
                for number, axis in enumerate((1, 0, 2))
                if cell[axis] == TOTAL and faces[number][(*cell[:axis], *cell[axis + 1 :])] is not None
            ),
            None,
        )
        for cell in whole
    }


def differences_given_away(table: Table, told: Mapping[Cell, int | None], threshold: int = 11) -> list[list[Cell]]:
    """The few who move that somebody knows to be few: no whole numbers that agree with what is told make them many."""
    axes, counts = table
    found = []
    for some in movers(list(product(*axes))):
        if 0 < sum(counts[cell] for cell in some) < threshold:
            solver, names = whole_numbers(axes, told)
            known = sum(told[cell] or 0 for cell in some)
            solver.add(z3.Sum([names[cell] for cell in some if told[cell] is None]) + known >= threshold)
            if solver.check() != z3.sat:
                found.append(some)
    return found


@settings(max_examples=60, deadline=None)
@given(compared())
def test_two_bundles_side_by_side_give_no_small_cell_away(table: Table) -> None:
    """Not either table, what moved between them, a margin or a difference; nor to one who knows all zeros (rule 6)."""
    axes, counts = table
    whole = published(axes, counts, untold=counts)
    faces = [face(whole, axis) for axis in (1, 0, 2)]
    told = sides(axes, *faces)
    # Worse than a reader of the faces alone: this one knows what nobody is told, which inner cells are empty.
    told |= {cell: 0 for cell, count in with_margins(*table).items() if count == 0}
    assert told == whole, "the faces tell what is told, and nothing else"
    assert given_away(table, told) == set()
    assert differences_given_away(table, told) == []


FEW_MOVE: Table = (
    [["o0", "o1"], ["o0", "o1"], ["k0"]],
    {("o0", "o0", "k0"): 40, ("o0", "o1", "k0"): 0, ("o1", "o0", "k0"): 3, ("o1", "o1", "k0"): 57},
)
"""As decided 40 and 60, by the other bundle 43 and 57: both are large, and their difference is three people."""


def test_tables_withheld_one_by_one_are_subtracted() -> None:
    """The test of that test: each face safe by itself, and together they give three people away."""
    axes, counts = FEW_MOVE
    whole = with_margins(axes, counts)
    by_itself: list[Mapping[Cell, int | None]] = []
    for axis in (1, 0, 2):
        kept = [one for number, one in enumerate(axes) if number != axis]
        inner = {cell: count or 0 for cell, count in face(whole, axis).items() if TOTAL not in cell}
        by_itself.append(published(kept, inner))
        assert given_away((kept, inner), by_itself[-1]) == set()
    told = sides(axes, *by_itself) | {cell: 0 for cell, count in whole.items() if count == 0}
    assert ("o1", "o0", TOTAL) in given_away(FEW_MOVE, told)
    assert [("o1", "o0", "k0")] in differences_given_away(FEW_MOVE, told)


def test_what_is_told_nowhere_is_hidden_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another: were small cells that no face shows left to themselves, differences of the faces would tell of them."""
    cheapest = suppression._cheapest  # noqa: SLF001 - the fault is planted where the promise is kept

    def faces_only(
        axes: Sequence[Sequence[str]], whole: Mapping[Cell, int], cell: Cell, rise: int, withheld: set[Cell]
    ) -> frozenset[Cell]:
        return cheapest(axes, whole, cell, rise, withheld) if TOTAL in cell else frozenset()

    axes = [["o0", "o1", "o2"], ["o0", "o1", "o2"], ["k0", "k1"]]
    counts = dict.fromkeys(product(*axes), 0)
    counts |= {(one, one, kind): 200 for one in axes[0] for kind in axes[2]}
    counts |= {("o0", "o1", "k0"): 4, ("o0", "o1", "k1"): 40}
    right = published(axes, counts, untold=counts)
    assert given_away((axes, counts), right) == set()
    assert differences_given_away((axes, counts), right) == []
    monkeypatch.setattr(suppression, "_cheapest", faces_only)
    wrong = published(axes, counts, untold=counts)
    assert given_away((axes, counts), wrong) == {("o0", "o1", "k0")}
    assert differences_given_away((axes, counts), wrong) != []


@settings(max_examples=120, deadline=None)
@given(tables())
def test_no_small_cell_can_be_found_out(table: Table) -> None:
    """Not by elimination over fractions, nor by a solver over whole numbers that knows what is withheld is not zero."""
    axes, counts = table
    told = published(axes, counts)
    assert given_away(table, told) == set()


@settings(max_examples=40, deadline=None)
@given(tables(axes_max=2), st.integers(2, 30))
def test_no_small_cell_can_be_found_out_under_any_threshold(table: Table, threshold: int) -> None:
    """The same for every threshold that somebody may set."""
    assert given_away(table, published(*table, threshold), threshold) == set()


@given(tables())
def test_what_is_told_is_true_and_zeros_are_told(table: Table) -> None:
    """A cell is told as it is or not at all, and a zero always."""
    whole = with_margins(*table)
    told = published(*table)
    assert told.keys() == whole.keys()
    assert all(value in (None, whole[cell]) for cell, value in told.items())
    assert all(told[cell] == 0 for cell, count in whole.items() if count == 0)


@given(tables())
def test_a_table_without_small_cells_is_told_whole(table: Table) -> None:
    """Nothing is withheld where nothing is to hide."""
    axes, counts = table
    counts = {cell: count * 11 for cell, count in counts.items()}
    assert published(axes, counts) == with_margins(axes, counts)


def test_small_cells_alone_give_themselves_away() -> None:
    """The test of the tests: withholding only what is small is found out by sums, and these tests notice."""
    axes = [["a0", "a1"], ["b0", "b1"]]
    counts: dict[Cell, int] = {("a0", "b0"): 3, ("a0", "b1"): 40, ("a1", "b0"): 50, ("a1", "b1"): 60}
    whole = with_margins(axes, counts)
    only = {cell: None if 0 < count < 11 else count for cell, count in whole.items()}
    assert given_away((axes, counts), only) == {("a0", "b0")}


def test_two_ones_in_a_row_and_column_give_themselves_away() -> None:
    """Another: no equation holds one unknown alone, yet what is withheld is not zero, so every one of them is a one."""
    axes = [["a0", "a1"], ["b0", "b1"]]
    counts: dict[Cell, int] = dict.fromkeys(product(*axes), 1)
    whole = with_margins(axes, counts)
    square = {cell: count if TOTAL in cell else None for cell, count in whole.items()}
    assert solved(axes, square) == set()
    assert given_away((axes, counts), square) >= set(counts)


@pytest.mark.parametrize("fault", ["move", "zero"])
def test_a_faulty_block_is_noticed(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that let a corner fall to nothing, or that let one corner go, do not pass the tests above."""
    right = suppression._block  # noqa: SLF001 - the fault is planted where the promise is kept

    def wrong(whole: Mapping[Cell, int], cell: Cell, other: Cell, rise: int) -> frozenset[Cell] | None:
        if fault == "move":
            found = right(whole, cell, other, rise)
            return None if found is None else found - {other}
        return frozenset(product(*zip(cell, other, strict=True)))

    monkeypatch.setattr(suppression, "_block", wrong)
    axes = [["a0", "a1", "a2"], ["b0", "b1", "b2"]]
    counts = {cell: number for number, cell in enumerate(product(*axes), start=5)} | {("a2", "b2"): 300}
    faulty = [given_away((axes, one), published(axes, one)) for one in (counts, {**counts, ("a0", "b1"): 0})]
    assert any(faulty)


@pytest.mark.parametrize(
    ("axes", "counts"),
    [
        ([], {}),
        ([["a"]] * 4, {}),
        ([["a", TOTAL]], {}),
        ([["a", "a"]], {}),
        ([["a"]], {("b",): 1}),
        ([["a"]], {("a",): -1}),
    ],
)
def test_what_is_no_table_is_refused(axes: list[list[str]], counts: dict[Cell, int]) -> None:
    """No axis, too many, a place named like the total or twice, a cell that is not there, less than nothing."""
    with pytest.raises(ValueError, match="a table"):
        published(axes, counts)
