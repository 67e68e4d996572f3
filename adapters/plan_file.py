"""Plans as files: JSON that a pipeline reads, written whole or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..formulations.files import write_text
from ..formulations.partition.breakdown import break_down
from ..formulations.partition.solution import Partition

PLAN_FORMAT = "orbweave-plan"


def write_plan(
    solution: Partition, path: str | Path, certificate: Mapping[str, Any] | None = None
) -> Path:
    """Write a plan as JSON, all of it or nothing.

    Parameters
    ----------
    solution : Partition
    path : str or Path
        Folders that are missing are made.
    certificate : mapping, optional
        What is known beside the plan itself: bound, gap, method (``result.to_dict()``).

    Returns
    -------
    Path
        The file.
    """
    return write_text(path, f"{plan_json(plan_dict(solution, certificate))}\n")


def plan_dict(
    solution: Partition | None, certificate: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Plain data of a plan and its certificate, as `write_plan` writes it."""
    data: dict[str, Any] = {"format": PLAN_FORMAT, "version": 1}
    data |= {key: value for key, value in (certificate or {}).items() if key != "solution"}
    data["solution"] = None
    if solution is not None:
        data["solution"] = solution.to_dict()
        if math.isfinite(solution.evaluation.latency):
            data["solution"]["latency_parts_s"] = dict(break_down(solution).parts)
    return data


def plan_json(data: Mapping[str, Any] | Sequence[Any]) -> str:
    """JSON text; numbers that JSON cannot hold become null."""
    return json.dumps(_plain(data), indent=1, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
