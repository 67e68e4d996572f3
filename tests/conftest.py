"""Shared set-up: which package is under test, and where the reference data lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

import orbweave

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT.parent / "shared" / "reference"


# The same examples on every continuous-integration run; new ones on every run at a desk.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("desk", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_configure() -> None:
    """With ORBWEAVE_WHEEL=1 the tests must run on the installed wheel, never on the checkout."""
    where = Path(orbweave.__file__ or "").resolve()
    if os.environ.get("ORBWEAVE_WHEEL") == "1" and "site-packages" not in where.parts:
        raise pytest.UsageError(f"orbweave comes from {where}, not from an installed wheel")


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of published reference data; tests that need it skip where it is absent."""
    if not REFERENCE.is_dir():
        pytest.skip(f"reference data not found at {REFERENCE}")
    return REFERENCE
