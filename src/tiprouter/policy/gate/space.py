"""Which facts are there at all, and where among them does a condition hold?

1. A point is a value of every fact and one consent state: a question sees the consent for its own category only, so
   seven times the other facts is the whole space of each question, not seven to the power of the categories.
   Whether any category is granted is a fact of its own beside it (`compile`, rule 5), not a consent of each.
2. Nothing is left out: combinations that no record can lead to are in the space too.
3. The facts `fresh`, `basis` and the consent are the bits of one 64-bit word (2 x 4 x 7 = 56); every other fact is an
   axis of a numpy array of such words. A condition is an array; an axis it does not depend on has length 1.

Not promised: statements about the consents for two categories at once; one of them must be given (`Asked.given`).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, Final, TypeAlias

from tiprouter.domain.vocabulary import Category, ConsentState
from tiprouter.policy.gate.algebra import Algebra
from tiprouter.policy.gate.extras import extra
from tiprouter.policy.gate.formula import FREE
from tiprouter.policy.questions import CONSENT

Words: TypeAlias = Any  # numpy.ndarray of uint64: numpy may be missing when this is read
Point: TypeAlias = Mapping[str, Any]

VALUES: Final[Mapping[str, tuple[Any, ...]]] = {**FREE, CONSENT: tuple(ConsentState)}
"""Every fact a question sees, with all its values."""

SIZE: Final = prod(len(values) for values in VALUES.values())
"""The number of points."""

SLABS: Final = tuple({"recipient_kind": kind} for kind in VALUES["recipient_kind"])
"""Parts of the space to look at one after the other, so that the arrays stay small. Together they are the whole."""

_BITS: Final = ("fresh", "basis", CONSENT)
_WORD: Final = tuple(product(*(VALUES[name] for name in _BITS)))
_FULL: Final = (1 << len(_WORD)) - 1


def point_at(number: int) -> Point:
    """The point with a number from 0 to `SIZE`."""
    found = {}
    for name, values in VALUES.items():
        number, index = divmod(number, len(values))
        found[name] = values[index]
    return found


class Space(Algebra[Words]):
    """Conditions as the sets of points where they hold (rule 3), in the whole space or where some facts are fixed."""

    def __init__(self, fixed: Point | None = None) -> None:
        self._numpy = extra("numpy")
        self._fixed = dict(fixed or {})
        self._axes = [name for name in VALUES if name not in _BITS and name not in self._fixed]
        self._cells = prod(len(VALUES[name]) for name in self._axes)
        self._facts: dict[tuple[str, object], Words] = {}
        super().__init__(true=self._words(_FULL), false=self._words(0))

    def consent_for(self, category: Category) -> str:  # noqa: ARG002 - every category's is the same here
        """Rule 1: a consent is one, whichever category's it is."""
        return CONSENT

    def fact(self, name: str, value: object) -> Words:
        """Rule 3."""
        if name in self._fixed:
            return self.true if self._fixed[name] == value else self.false
        key = (name, value)
        if key not in self._facts:
            self._facts[key] = self._bits(name, value) if name in _BITS else self._axis(name, value)
        return self._facts[key]

    def count(self, points: Words) -> int:
        """How many points there are in a set."""
        found = int(self._numpy.bitwise_count(points).sum(dtype=self._numpy.int64))
        return found * (self._cells // int(points.size))

    def same(self, left: Words, right: Words) -> bool:
        """Whether two sets have the same points."""
        return not (left ^ right).any()

    def holds(self, points: Words, point: Point) -> bool:
        """Whether a point is in a set."""
        if any(point[name] != value for name, value in self._fixed.items()):
            return False
        places = [VALUES[name].index(point[name]) for name in self._axes]
        cell = tuple(min(place, length - 1) for place, length in zip(places, points.shape, strict=True))
        bit = _WORD.index(tuple(point[name] for name in _BITS))
        return bool(int(points[cell]) >> bit & 1)

    def first(self, points: Words) -> Point | None:
        """Some point of a set; None when it is empty."""
        if not points.any():
            return None
        cell = self._numpy.unravel_index(int(points.astype(bool).argmax()), points.shape)
        word = int(points[cell])
        bits = _WORD[(word & -word).bit_length() - 1]
        found = {name: VALUES[name][int(index)] for name, index in zip(self._axes, cell, strict=True)}
        return {**self._fixed, **found, **dict(zip(_BITS, bits, strict=True))}

    def boxes(self, points: Words, limit: int) -> Iterator[tuple[Mapping[str, tuple[Any, ...]], int]]:
        """At most `limit` boxes (values per fact, number of points) that are disjoint and lie in the set.

        A box is grown from a point, fact by fact, as far as the set reaches; what makes no difference is left out.
        """
        numpy = self._numpy
        names, left = self._unpacked(points)
        missing = prod(len(VALUES[name]) for name in (*self._axes, *_BITS) if name not in names)
        for _ in range(limit):
            if not left.any():
                return
            box = [[int(index)] for index in numpy.unravel_index(int(left.argmax()), left.shape)]
            for axis, length in enumerate(left.shape):
                line = left[numpy.ix_(*(range(length) if at == axis else some for at, some in enumerate(box)))]
                across = tuple(at for at in range(left.ndim) if at != axis)
                box[axis] = [int(index) for index in line.all(axis=across).nonzero()[0]]
            left[numpy.ix_(*box)] = False
            values = {name: tuple(VALUES[name][at] for at in some) for name, some in zip(names, box, strict=True)}
            inside = {name: some for name, some in values.items() if len(some) < len(VALUES[name])}
            yield inside, prod(map(len, box)) * missing

    def _unpacked(self, points: Words) -> tuple[list[str], Any]:
        """A set as truths, over the facts that it depends on."""
        numpy = self._numpy
        axes, points = _narrowed(self._axes, points)
        bits = numpy.arange(len(_WORD), dtype=numpy.uint64)
        truths = ((points[..., None] >> bits) & numpy.uint64(1)).astype(bool)
        truths = truths.reshape(*points.shape, *(len(VALUES[name]) for name in _BITS))
        names, truths = _narrowed([*axes, *_BITS], truths)
        return names, truths.copy()

    def _bits(self, name: str, value: object) -> Words:
        at = _BITS.index(name)
        return self._words(sum(1 << bit for bit, word in enumerate(_WORD) if word[at] == value))

    def _axis(self, name: str, value: object) -> Words:
        cells = [_FULL if one == value else 0 for one in VALUES[name]]
        shape = [len(cells) if axis == name else 1 for axis in self._axes]
        return self._numpy.array(cells, dtype=self._numpy.uint64).reshape(shape)

    def _words(self, word: int) -> Words:
        return self._numpy.full([1] * len(self._axes), word, dtype=self._numpy.uint64)

    def _and(self, *terms: Words) -> Words:
        return self._folded(terms, self._numpy.bitwise_and)

    def _or(self, *terms: Words) -> Words:
        return self._folded(terms, self._numpy.bitwise_or)

    def _not(self, term: Words) -> Words:
        return self._numpy.bitwise_xor(term, self.true)

    def _folded(self, terms: Sequence[Words], operator: Any) -> Words:  # noqa: ANN401 - a numpy function
        """Small sets first, so that large ones are few; once the result is large it is made in its place."""
        first, second, *rest = sorted(terms, key=_size)
        found = operator(first, second)
        for term in rest:
            grows = self._numpy.broadcast_shapes(found.shape, term.shape) != found.shape
            found = operator(found, term, out=None if grows else found)
        return found


def _size(points: Words) -> int:
    size: int = points.size
    return size


def _narrowed(names: Sequence[str], cells: Any) -> tuple[list[str], Any]:  # noqa: ANN401 - a numpy array
    """An array without the axes along which it does not change."""
    kept = list(names)
    for axis in reversed(range(len(kept))):
        first = cells.take([0], axis=axis)
        if (cells == first).all():
            cells = first.squeeze(axis=axis)
            kept.pop(axis)
    return kept, cells
