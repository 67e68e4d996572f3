"""Rules for counting FLOPs that the framework readers share (a multiply-add counts as 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

Shape = tuple[int, ...]

#: FLOPs per output number of what is not a matrix product; counted on request alone.
NORM_FLOPS, BATCH_NORM_FLOPS, SOFTMAX_FLOPS = 5, 2, 5


def given(shapes: Sequence[Shape | None], k: int) -> Shape:
    """Shape number k; a LookupError where the tensor is absent or its shape unknown."""
    shape = shapes[k] if k < len(shapes) else None
    if shape is None:
        raise LookupError(k)
    return shape


def einsum_flops(equation: str, inputs: Sequence[Shape | None]) -> float:
    """2 times the product of all index sizes, where at least two operands meet."""
    terms = equation.replace(" ", "").split("->")[0].split(",")
    if len(terms) < 2:
        return 0.0
    sizes: dict[str, int] = {}
    for k, term in enumerate(terms):
        shape = given(inputs, k)
        before, dots, after = term.partition("...")
        for letter, size in zip(before, shape, strict=False):
            sizes[letter] = max(size, sizes.get(letter, 1))
        for letter, size in zip(reversed(after), reversed(shape), strict=False):
            sizes[letter] = max(size, sizes.get(letter, 1))
        if dots:
            middle = shape[len(before) : len(shape) - len(after)]
            sizes["..."] = max(math.prod(middle), sizes.get("...", 1))
    return 2.0 * math.prod(sizes.values()) * (len(terms) - 1)
