"""Against the documented product's own optimiser: `rotastellar-distributed` 0.1.1.

It tries every single ground-to-orbit cut of a chain by building each plan in full, with one ground
and one orbital node, no memory limits, and no cost for the request's way in and the answer's way
back. Both sides plan the same chains over the same two nodes, rates and latency; their plans are
compared by one neutral evaluator, the arithmetic of `chain_latency_s`.

The package is no dependency of Orbweave: ``pip install --no-deps rotastellar-distributed==0.1.1``.

- ``python benchmarks/bench_rotastellar.py`` prints both tables.
- ``pytest benchmarks/bench_rotastellar.py`` times the pairs with pytest-benchmark and asserts that
  ours is never worse, and faster from 80 layers on.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

from orbweave.distributed import PartitionOptimizer
from orbweave.formulations.profile import LayerProfile, ModelProfile

INSTALL = "pip install --no-deps rotastellar-distributed==0.1.1"
LIGHT_KM_S = 299792.458
CHAINS, LAYERS = 300, 24
SIZES = (24, 82, 200, 500, 1000, 2000)

#: Where a request starts and its answer ends: "ground", "orbital", or None (costs nothing, the
#: baseline's own assumption).
ENDS = {
    "from the ground and back": ("ground", "ground"),
    "sensed in orbit, answered on the ground": ("orbital", "ground"),
    "neither way costs anything": (None, None),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One chain and its two nodes.

    Attributes
    ----------
    flops : ndarray, shape (L,)
    sizes : ndarray, shape (L + 1,)
        Bytes into each layer and out of the last.
    ground, orbital : float
        FLOP/s.
    up, down : float
        bit/s.
    altitude_km : float
        One-way latency is altitude over the speed of light, their assumption.
    """

    flops: np.ndarray
    sizes: np.ndarray
    ground: float
    orbital: float
    up: float
    down: float
    altitude_km: float

    @property
    def latency_s(self) -> float:
        """One-way propagation."""
        return self.altitude_km / LIGHT_KM_S

    def profile(self) -> ModelProfile:
        """The chain as our profile."""
        rows = zip(self.flops.tolist(), self.sizes[1:].tolist(), strict=True)
        return ModelProfile(
            tuple(
                LayerProfile(f"layer{i}", 0, 0, flops, out) for i, (flops, out) in enumerate(rows)
            ),
            input_bytes=float(self.sizes[0]),
            output_bytes=float(self.sizes[-1]),
        )

    def topology(self) -> dict[str, Any]:
        """Our topology."""
        return {
            "ground_nodes": 1,
            "orbital_nodes": 1,
            "ground_flops": self.ground,
            "orbital_flops": self.orbital,
            "uplink_bandwidth": self.up,
            "downlink_bandwidth": self.down,
            "ground_orbit_latency_ms": self.latency_s * 1e3,
        }


def random_case(seed: int, layers: int = LAYERS) -> Case:
    """A seeded chain: layers of 0.1-10 TFLOP, tensors of 10 kB-10 MB, either side the faster."""
    rng = np.random.default_rng(seed)
    return Case(
        flops=np.round(10 ** rng.uniform(11, 13, layers)),
        sizes=np.round(10 ** rng.uniform(4, 7, layers + 1)),
        ground=float(10 ** rng.uniform(13, 14.3)),
        orbital=float(10 ** rng.uniform(13, 14.3)),
        up=float(10 ** rng.uniform(7.7, 9)),
        down=float(10 ** rng.uniform(8, 9.3)),
        altitude_km=float(rng.uniform(400, 1200)),
    )


def chain_latency_s(
    case: Case, sides: list[str], start: str | None = "ground", end: str | None = "ground"
) -> float:
    """Latency of a placement: runs, and every change of side; the neutral evaluator."""
    total = 0.0
    for flops, side in zip(case.flops.tolist(), sides, strict=True):
        total += flops / (case.orbital if side == "orbital" else case.ground)
    path = [start or sides[0], *sides, end or sides[-1]]
    for size, before, after in zip(case.sizes.tolist(), path, path[1:], strict=False):
        if before != after:
            total += size * 8 / (case.up if after == "orbital" else case.down) + case.latency_s
    return total


# -- the two sides ---------------------------------------------------------------------------------
def baseline() -> Any:
    """The published package, or None where it is not installed."""
    try:
        import rotastellar_distributed
    except ImportError:
        return None
    return rotastellar_distributed


def their_problem(package: Any, case: Case) -> tuple[Any, Any, Any]:
    """Optimizer, model and objective of the baseline."""
    kind = package.LayerType.LINEAR
    layers = [
        package.LayerProfile(f"layer{i}", kind, 0, flops, case.sizes[i], case.sizes[i + 1])
        for i, flops in enumerate(case.flops.tolist())
    ]
    optimizer = package.PartitionOptimizer(
        ground_compute_tflops=case.ground / 1e12,
        orbital_compute_tflops=case.orbital / 1e12,
        orbit_altitude_km=case.altitude_km,
        uplink_bandwidth_mbps=case.up / 1e6,
        downlink_bandwidth_mbps=case.down / 1e6,
    )
    model = package.ModelProfile.from_layers(layers)
    return optimizer, model, package.OptimizationObjective.MINIMIZE_LATENCY


def their_plan(package: Any, case: Case) -> list[str]:
    """Side of each layer in the baseline's plan, which is the same wherever requests start."""
    optimizer, model, objective = their_problem(package, case)
    return [row.location.value for row in optimizer.optimize(model, objective).placements]


def gaps(package: Any, start: str | None, end: str | None) -> np.ndarray:
    """How much longer their plan takes than ours, relative, for each of the random chains."""
    nodes = {"ground": "ground-0", "orbital": "orbital-0", None: None}
    found = []
    for seed in range(CHAINS):
        case = random_case(seed)
        plan = PartitionOptimizer().optimize(
            case.profile(), case.topology(), input_node=nodes[start], output_node=nodes[end]
        )
        sides = [name.partition("-")[0] for name in plan.node_of_layer]
        ours = chain_latency_s(case, sides, start, end)
        # The library's own judge must agree with the neutral one before anything is compared.
        assert abs(ours - plan.partition.evaluation.latency) <= 1e-9 * ours
        theirs = chain_latency_s(case, their_plan(package, case), start, end)
        found.append(theirs / ours - 1)
    return np.array(found)


def median_s(call: Callable[[], object], budget_s: float = 2.0) -> float:
    """Median seconds of a call, repeated three times or for the budget, after one to warm up."""
    call()
    times: list[float] = []
    while len(times) < 3 or (sum(times) < budget_s and len(times) < 200):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def timings(package: Any) -> Iterator[tuple[int, float, float]]:
    """Layers, their seconds and ours, both from a ready profile to a plan."""
    for layers in SIZES:
        case = random_case(layers, layers)
        optimizer, model, objective = their_problem(package, case)
        profile, topology = case.profile(), case.topology()
        ours = median_s(partial(PartitionOptimizer().optimize, profile, topology))
        theirs = median_s(partial(optimizer.optimize, model, objective))
        yield layers, theirs, ours


# -- pytest-benchmark ------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def package() -> Any:
    found = baseline()
    if found is None:
        pytest.skip(f"the baseline is not installed: {INSTALL}")
    return found


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
def test_never_worse(package: Any, ends: tuple[str | None, str | None]) -> None:
    assert gaps(package, *ends).min() >= -1e-9


@pytest.mark.parametrize("layers", SIZES)
def test_time_of_ours(benchmark: Any, layers: int) -> None:
    case = random_case(layers, layers)
    profile, topology = case.profile(), case.topology()
    benchmark.group = f"{layers} layers"
    plan = benchmark(PartitionOptimizer().optimize, profile, topology)
    benchmark.extra_info["gap"] = plan.result.gap
    assert plan.result.gap <= 1e-6


@pytest.mark.parametrize("layers", SIZES)
def test_time_of_theirs(benchmark: Any, package: Any, layers: int) -> None:
    optimizer, model, objective = their_problem(package, random_case(layers, layers))
    benchmark.group = f"{layers} layers"
    benchmark.pedantic(optimizer.optimize, (model, objective), rounds=3, warmup_rounds=1)


def test_faster_from_80_layers(package: Any) -> None:
    for layers, theirs, ours in timings(package):
        assert layers < 80 or ours < theirs, (layers, theirs, ours)


# -- tables ----------------------------------------------------------------------------------------
def main() -> int:
    """Print what was measured."""
    package = baseline()
    if package is None:
        print(f"skipped: the baseline is not installed ({INSTALL})")
        return 0
    print(f"{CHAINS} random chains of {LAYERS} layers: latency of their plan over ours, minus 1\n")
    print("| requests | ours worse | equal | theirs worse | mean gap of those | ", end="")
    print("10 % | median | 90 % | largest |\n|---|---|---|---|---|---|---|---|---|")
    for name, ends in ENDS.items():
        gap = gaps(package, *ends)
        worse = gap[gap > 1e-9]
        low, middle, high = np.percentile(worse, (10, 50, 90)) if len(worse) else (0.0, 0.0, 0.0)
        mean, top = (worse.mean(), worse.max()) if len(worse) else (0.0, 0.0)
        print(
            f"| {name} | {(gap < -1e-9).sum()} | {(abs(gap) <= 1e-9).sum()} | {len(worse)} "
            f"| {mean:.1%} | {low:.1%} | {middle:.1%} | {high:.1%} | {top:.1%} |"
        )
    print("\nmedian time from a ready profile to a plan, one core\n")
    print("| layers | theirs, ms | ours, ms | theirs / ours |\n|---|---|---|---|")
    for layers, theirs, ours in timings(package):
        print(f"| {layers} | {theirs * 1e3:.2f} | {ours * 1e3:.2f} | {theirs / ours:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
