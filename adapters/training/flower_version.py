"""Flower's modules, imported when they are needed, with clear words where that fails."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any

#: Versions that the tests ran with; earlier ones have no `Grid` of messages in this form.
OLDEST, TESTED = (1, 41), (1, 42)


def flower(module: str) -> Any:
    """Import a module of Flower: ``app`` for `flwr.app`.

    Raises
    ------
    ImportError
        If Flower is missing or too old, or does not have the module in the form that is used here.
    """
    try:
        version = importlib.metadata.version("flwr")
    except importlib.metadata.PackageNotFoundError as error:
        raise ImportError("this needs Flower: pip install 'orbweave[flower]'") from error
    number = tuple(int(part) for part in version.split(".")[:2])
    oldest, tested = (".".join(map(str, pair)) for pair in (OLDEST, TESTED))
    if number < OLDEST:
        raise ImportError(f"flwr {version}: expected {oldest} or later")
    try:
        return importlib.import_module(f"flwr.{module}")
    except ModuleNotFoundError as error:
        text = f"flwr {version} has no {error.name}: expected a version like {oldest} to {tested}"
        raise ImportError(text) from error
