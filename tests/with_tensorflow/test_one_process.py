"""TensorFlow and MathOpt cannot share a process: each side says so in one clear error."""

from __future__ import annotations

import subprocess
import sys

import pytest

SOLVE = """
from oracle import random_problem
import orbweave as ow
ow.solve(random_problem(72), backend="cp-sat", method="assignment-milp")
"""
READ = "import orbweave as ow; ow.read_tensorflow(None)"


def run(code: str) -> str:
    """Run code in a process of its own; what it prints on stderr."""
    code = f"import sys; sys.path.insert(0, {__file__.rsplit('/', 2)[0]!r})\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return done.stderr.strip().splitlines()[-1]


def test_mathopt_after_tensorflow() -> None:
    pytest.importorskip("tensorflow", reason="needs TensorFlow")
    message = run(f"import tensorflow\n{SOLVE}")
    assert message.startswith("ImportError: backend 'cp-sat'")
    assert "'highs'" in message


def test_tensorflow_after_mathopt() -> None:
    pytest.importorskip("tensorflow", reason="needs TensorFlow")
    message = run(f"{SOLVE}\n{READ}")
    assert message.startswith("ImportError: read_tensorflow: TensorFlow cannot be loaded after")
