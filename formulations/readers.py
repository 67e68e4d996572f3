"""Adapters called by name at call time, so that data types import nothing of the floors above."""

from __future__ import annotations

import importlib
from typing import Any


def reader(name: str, module: str = "adapters") -> Any:
    """Return a function of another floor by its name and module below the package."""
    root = __name__.rsplit(".", 2)[0]
    return getattr(importlib.import_module(f"{root}.{module}"), name)
