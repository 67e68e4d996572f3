"""Scenario files as parsed TOML, and errors that say where in them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ..formulations import checks


def read_toml(path: Path, tables: Sequence[str]) -> dict[str, Any]:
    """Parse a file whose top keys are among `tables`; errors name the file.

    Raises
    ------
    InputError
        If it is not TOML in UTF-8 or has another key.
    OSError
        If it cannot be read.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise checks.InputError(f"{path}: not valid TOML: {error}") from None
    except UnicodeDecodeError as error:
        raise checks.InputError(f"{path}: byte {error.start}: expected UTF-8 text") from None
    with within(path, ""):
        for key in data:
            checks.known("key", key, tables)
        if "name" in data:
            checks.text("name", data["name"])
    return data


def within(path: Path, table: str) -> AbstractContextManager[None]:
    """Put the file and the table before an error's message."""
    return checks.within(f"{path}: [{table}]" if table else f"{path}:")


def table_of(data: Mapping[str, Any], key: str, *, needed: bool = False) -> dict[str, Any]:
    """Return a table of the file, an empty one where it is missing and not needed."""
    found = data.get(key, {})
    if needed and key not in data:
        checks.fail(key, None, f"a table [{key}] (it is missing)")
    if not isinstance(found, dict):
        checks.fail(key, found, f"a table [{key}]")
    return found
