"""Arrays by name compared, and states as they come back from a file."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray


def same(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        return all(np.array_equal(first[name], second[name]) for name in first)
    return np.array_equal(first, second)


def close(first: dict[str, Any], second: dict[str, Any]) -> None:
    for name, array in first.items():
        np.testing.assert_allclose(array, second[name], rtol=1e-12, atol=1e-12)


def kept(state: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """A state written to a file and read again, without pickled objects."""
    file = io.BytesIO()
    np.savez(file, **state)  # type: ignore[arg-type]  # its names are no options
    file.seek(0)
    return dict(np.load(file, allow_pickle=False))
