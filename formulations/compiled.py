"""How inner loops are compiled.

numba's cache of a kernel heeds changes of the kernel's own file only: after changing one that
kernels of other files call (`conditions.at`), delete ``__pycache__``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numba

if TYPE_CHECKING:
    Loop = TypeVar("Loop", bound=Callable[..., object])


def kernel(function: Loop) -> Loop:
    """Compile a function with numba, once per machine.

    Division is IEEE's (no check for zero in inner loops), and a product may be fused with a sum;
    neither changes how NaN travels.
    """
    options: Any = {"error_model": "numpy", "fastmath": {"contract"}}
    compile_: Any = numba.njit(cache=True, nogil=True, **options)
    compiled: Loop = compile_(function)
    return compiled
