"""Servers of late updates against plain loops and other libraries, and what they turn away."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from array_states import close, kept, same
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from orbweave.formulations.checks import InputError, UnknownNameError
from orbweave.formulations.compression import ledger as ledger_file
from orbweave.formulations.compression.aggregation import FedAsync, FedAvg, FedBuff, Server
from orbweave.formulations.compression.ledger import Ledger, Mark
from orbweave.formulations.compression.robust import Median, Rule, TrimmedMean
from orbweave.formulations.compression.staleness import Constant, Hinge, Polynomial, Staleness
from orbweave.formulations.compression.updates import Outcome, Update

Floats = NDArray[np.float64]
SEEDS = range(8)
CHECKED = settings(deadline=None, derandomize=True, max_examples=150)
SERVERS: dict[str, Callable[[Any], Server]] = {
    "average": lambda weights: FedAvg(weights, 3),
    "buffer": lambda weights: FedBuff(weights, 3, max_staleness=4),
    "robust": lambda weights: FedBuff(weights, 3, rule=TrimmedMean(1), max_staleness=4),
    "each": lambda weights: FedAsync(weights, max_staleness=4),
}
every_server = pytest.mark.parametrize("make", SERVERS.values(), ids=SERVERS)


def model(rng: np.random.Generator, dtype: str = "float64") -> dict[str, NDArray[Any]]:
    shapes: dict[str, tuple[int, ...]] = {
        "kernel": (4, 3),
        "bias": (3,),
        "scale": (),
        "none": (0, 2),
    }
    return {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


def stream(seed: int, count: int = 40, nodes: int = 5) -> list[Update]:
    """Updates of several nodes whose bases trail the number of updates so far."""
    rng = np.random.default_rng(seed)
    return [
        Update(
            f"sat-{rng.integers(nodes)}",
            max(k // 4 - int(rng.integers(6)), 0),
            k,
            model(rng),
            weight=float(rng.uniform(0.5, 4)),
        )
        for k in range(count)
    ]


# -- staleness ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("staleness", "expected"),
    [
        (Constant(), [1, 1, 1, 1, 1]),
        (Hinge(bound=2, slope=0.5), [1, 1, 1, 1 / 1.5, 1 / 2]),
        (Polynomial(1.0), [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]),
        (Polynomial(), [1, 2**-0.5, 3**-0.5, 1 / 2, 5**-0.5]),
    ],
)
def test_staleness(staleness: Staleness, expected: list[float]) -> None:
    np.testing.assert_allclose(staleness(np.arange(5)), expected, rtol=1e-14)


def test_staleness_errors() -> None:
    for wrong in (lambda: Hinge(slope=0), lambda: Hinge(bound=-1), lambda: Polynomial(0)):
        with pytest.raises(InputError, match=r"\.(slope|bound|exponent) = "):
            wrong()
    server = FedBuff(np.zeros(2), 1, staleness=lambda delay: np.zeros(len(delay)))
    with pytest.raises(InputError, match=r"FedBuff\.staleness"):
        server.receive(Update("a", 0, 0, np.ones(2)))


# -- against plain loops --------------------------------------------------------------------------
@pytest.mark.parametrize("seed", SEEDS)
def test_rounds_are_weighted_means(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = model(rng)
    server = FedAvg(weights, 4, server_rate=0.7)
    for version in range(3):
        changes = [model(rng) for _ in range(4)]
        samples = rng.uniform(1, 9, size=4)
        for k, change in enumerate(changes):
            receipt = server.receive(Update(f"sat-{k}", version, version, change, samples[k]))
            assert receipt.outcome is (Outcome.MERGED if k == 3 else Outcome.ACCEPTED)
            assert receipt.version == server.version == version + (k == 3)
        weights = {
            name: array
            + 0.7 * sum(n * c[name] for n, c in zip(samples, changes, strict=True)) / sum(samples)
            for name, array in weights.items()
        }
        close(server.weights, weights)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("normalise", ["count", "weights"])
@pytest.mark.parametrize("staleness", [Constant(), Hinge(1, 2), Polynomial()], ids=str)
def test_buffer_is_the_damped_sum(seed: int, normalise: str, staleness: Staleness) -> None:
    """Nguyen et al.: w + (eta / K) sum s(d) Delta, weights beside it, and both divisors."""
    weights = model(np.random.default_rng(1000 + seed))
    server = FedBuff(weights, 3, staleness=staleness, normalise=normalise, server_rate=0.9)
    version, waiting = 0, list[Update]()
    for update in stream(seed):
        receipt = server.receive(update)
        assert update.base_version <= version, "the stream stays behind the model"
        waiting.append(update)
        if len(waiting) == 3:
            damped = [staleness(np.array([version - u.base_version]))[0] for u in waiting]
            own = [u.weight for u in waiting]
            divisor = sum(own)
            if normalise == "weights":
                divisor = sum(w * s for w, s in zip(own, damped, strict=True))
            for name in weights:
                total = sum(
                    w * s * u.tensors[name] for w, s, u in zip(own, damped, waiting, strict=True)
                )
                weights[name] = weights[name] + 0.9 * total / divisor
            version, waiting = version + 1, []
        assert receipt.outcome is (Outcome.ACCEPTED if waiting else Outcome.MERGED)
        assert receipt.version == server.version == version
        close(server.weights, weights)


@pytest.mark.parametrize("seed", SEEDS)
def test_mixing_of_models(seed: int) -> None:
    """Xie et al.: (1 - a) w + a w_i with a = a_0 s(d); of a node, only what is newer."""
    weights = model(np.random.default_rng(2000 + seed))
    server = FedAsync(weights, mixing=0.6, staleness=Polynomial(0.5), max_staleness=6)
    past, last, outcomes = [weights], dict[str, tuple[int, int]](), []
    rng = np.random.default_rng(seed)
    for change in stream(seed):
        base_version = max(server.version - int(rng.integers(9)), 0)
        update = Update(change.node, base_version, change.sequence, change.delta)
        receipt = server.receive(update)
        outcomes.append(receipt.outcome)
        delay = len(past) - 1 - update.base_version
        if delay > 6:
            assert receipt.outcome is Outcome.TOO_LATE
        elif update.node in last and update.key < last[update.node]:
            assert receipt.outcome is Outcome.SUPERSEDED
        else:
            assert receipt.outcome is Outcome.MERGED
            share, base = 0.6 / (1 + delay) ** 0.5, past[update.base_version]
            past.append(
                {
                    name: (1 - share) * array + share * (base[name] + update.tensors[name])
                    for name, array in past[-1].items()
                }
            )
            last[update.node] = update.key
        close(server.weights, past[-1])
    assert len(set(outcomes)) == 3, "the stream shows every outcome"


def test_whole_mixing_replaces() -> None:
    rng = np.random.default_rng(5)
    server = FedAsync(rng.normal(size=50), mixing=1.0, staleness=Constant())
    base, change = server.weights, rng.normal(size=50)
    server.receive(Update("a", 0, 0, change))
    assert np.array_equal(server.weights, base + change)
    other = rng.normal(size=50)
    server.receive(Update("b", 0, 0, other))
    assert np.array_equal(server.weights, base + other)


@pytest.mark.parametrize(
    ("normalise", "rule"),
    [("count", None), ("weights", None), ("count", Median()), ("count", TrimmedMean(1))],
    ids=str,
)
def test_full_fresh_buffer_is_a_round(normalise: str, rule: Rule | None) -> None:
    rng = np.random.default_rng(6)
    weights = model(rng)
    rounds = FedAvg(weights, 5, rule=rule)
    buffer = FedBuff(weights, 5, rule=rule, normalise=normalise)
    for version in range(3):
        for k in range(5):
            update = Update(f"sat-{k}", version, version, model(rng), float(rng.uniform(1, 5)))
            assert rounds.receive(update) == buffer.receive(update)
    assert rounds.version == 3
    close(rounds.weights, buffer.weights)


def test_flush_closes_a_round_with_those_that_came() -> None:
    server = FedAvg(np.zeros(2), 10)
    server.receive(Update("a", 0, 0, np.array([1.0, 2.0]), 3.0))
    server.receive(Update("b", 0, 0, np.array([5.0, 6.0]), 1.0))
    assert server.flush() == 1
    np.testing.assert_allclose(server.weights, [2.0, 3.0])
    assert server.flush() == 1, "nothing waits"
    assert server.receive(Update("c", 0, 0, np.ones(2))).outcome is Outcome.TOO_LATE
    trimmed = FedBuff(np.zeros(2), 5, rule=TrimmedMean(1))
    for node in "ab":
        trimmed.receive(Update(node, 0, 0, np.ones(2)))
    assert trimmed.flush() == 0, "two votes are too few to trim one at either end"
    trimmed.receive(Update("c", 0, 0, np.ones(2)))
    assert trimmed.flush() == 1
    assert FedAsync(np.zeros(2)).flush() == 0


def test_a_node_has_one_vote_a_round() -> None:
    """Parts of one change add up; the node weighs no more for sending two."""
    server = FedAvg(np.zeros(1), 2)
    server.receive(Update("a", 0, 0, np.array([1.0])))
    server.receive(Update("a", 0, 1, np.array([2.0])))
    assert (server.version, server.waiting) == (0, 2)
    server.receive(Update("b", 0, 0, np.array([5.0])))
    np.testing.assert_allclose(server.weights, [(1 + 2 + 5) / 2])


# -- the arrays of others -------------------------------------------------------------------------
@every_server
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_arrays_keep_their_dtype_and_owner(make: Callable[[Any], Server], dtype: str) -> None:
    rng = np.random.default_rng(7)
    weights = model(rng, dtype)
    server = make(weights)
    first, copy = server.weights, {name: array.copy() for name, array in weights.items()}
    for k in range(3):
        change = model(rng, dtype)
        before = {name: array.copy() for name, array in change.items()}
        server.receive(Update(f"sat-{k}", 0, 0, change))
        assert same(change, before)
        for array in change.values():
            array[...] = np.nan  # after it was received, a change is the sender's again
    assert server.version >= 1
    assert same(weights, copy)
    assert same(first, copy), "an earlier version stays as it was"
    assert {str(array.dtype) for array in server.weights.values()} == {dtype}
    assert all(np.isfinite(array).all() for array in server.weights.values())
    weights["bias"][:] = 9
    assert same(first, copy)
    with pytest.raises(ValueError, match="read-only"):
        server.weights["bias"][0] = 1


# -- late, twice, out of order --------------------------------------------------------------------
@CHECKED
@given(order=st.permutations(range(6)), copies=st.lists(st.integers(0, 5), max_size=6))
def test_any_order_of_a_buffer_with_copies_is_the_same(order: list[int], copies: list[int]) -> None:
    rng = np.random.default_rng(8)
    weights = model(rng, "float32")
    updates = [
        Update(f"sat-{k % 4}", 0, k, model(rng, "float32"), float(rng.uniform(1, 5)))
        for k in range(6)
    ]
    plain, mixed = FedBuff(weights, 6), FedBuff(weights, 6)
    for update in updates:
        plain.receive(update)
    seen = set[int]()
    for k in [*order[:3], *copies, *order[3:], *copies]:
        receipt = mixed.receive(updates[k])
        assert (receipt.outcome is Outcome.DUPLICATE) == (k in seen)
        seen.add(k)
    assert mixed.version == plain.version == 1
    assert same(mixed.weights, plain.weights), "to the last bit"


@every_server
@pytest.mark.parametrize("seed", SEEDS)
def test_duplicates_change_nothing(make: Callable[[Any], Server], seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = model(rng)
    once, often = make(weights), make(weights)
    came = list[Update]()
    for k, update in enumerate(stream(seed)):
        fitting = Update(update.node, min(update.base_version, once.version), k, update.delta)
        first, second = once.receive(fitting), often.receive(fitting)
        assert first == second
        came.append(fitting)
        for old in rng.choice(len(came), size=2):
            before = often.state_dict()
            answer = often.receive(came[old])
            assert answer.outcome in (Outcome.DUPLICATE, Outcome.TOO_LATE, Outcome.SUPERSEDED)
            assert same(before, often.state_dict())
    assert once.version > 0
    assert same(once.state_dict(), often.state_dict())


def test_an_update_may_take_the_place_of_earlier_ones() -> None:
    """In any order, the one counts and what it replaces does not."""
    first = Update("a", 0, 0, np.array([1.0]))
    second = Update("a", 0, 1, np.array([10.0]), replaces=((0, 0),))
    other = Update("b", 0, 0, np.array([100.0]))
    for order in itertools.permutations([first, second, other]):
        server = FedBuff(np.zeros(1), 2, staleness=Constant())
        outcomes = {(*update.key, update.node): server.receive(update).outcome for update in order}
        if order.index(other) > 0 and order.index(first) < order.index(second) == 2:
            # The first counted together with the other before the second came.
            assert outcomes[0, 1, "a"] is Outcome.OVERLAP
            assert server.weights[0] == (1 + 100) / 2
        elif order[:2] == (other, first):
            assert outcomes[0, 1, "a"] is Outcome.OVERLAP
        else:
            assert server.weights[0] == (10 + 100) / 2
            if order.index(second) < order.index(first):
                assert outcomes[0, 0, "a"] is Outcome.SUPERSEDED
    server = FedBuff(np.zeros(1), 1)
    server.receive(first)
    answer = server.receive(second)
    assert (answer.outcome, answer.counted, answer.is_taken) == (Outcome.OVERLAP, ((0, 0),), False)
    assert server.weights[0] == 1


def test_late_ones_are_turned_away() -> None:
    server = FedBuff(np.zeros(1), 1, max_staleness=2)
    for version in range(4):
        assert server.receive(Update("a", version, version, np.ones(1))).version == version + 1
    answer = server.receive(Update("b", 1, 0, np.ones(1)))
    assert answer.outcome is Outcome.TOO_LATE
    assert "3 versions late, at most 2" in answer.reason
    assert server.weights[0] == 4
    assert server.receive(Update("b", 2, 0, np.ones(1))).outcome is Outcome.MERGED
    assert server.weights[0] == pytest.approx(4 + 3**-0.5)


@every_server
@pytest.mark.parametrize(
    "delta",
    [
        {"kernel": np.full((2, 2), np.nan), "bias": np.ones(2)},
        {"kernel": np.ones((2, 2)), "bias": np.array([1.0, -np.inf])},
        {"kernel": np.full((2, 2), 1e39), "bias": np.ones(2)},
        {"kernel": np.ones(4), "bias": np.ones(2)},
        {"kernel": np.ones((2, 2))},
        {"kernel": np.ones((2, 2)), "bias": np.ones(2), "more": np.ones(1)},
        np.ones((2, 2)),
    ],
    ids=["nan", "inf", "beyond float32", "shape", "missing", "unknown", "no names"],
)
def test_what_does_not_fit_is_refused(make: Callable[[Any], Server], delta: Any) -> None:
    weights = {"kernel": np.ones((2, 2), np.float32), "bias": np.ones(2, np.float32)}
    server = make(weights)
    server.receive(Update("a", 0, 0, weights))
    before = server.state_dict()
    answer = server.receive(Update("b", 0, 0, delta))
    assert answer.outcome is Outcome.REFUSED
    assert answer.reason.startswith("array")
    assert same(before, server.state_dict())
    future = server.receive(Update("b", 7, 0, weights))
    assert future.outcome is Outcome.REFUSED
    assert "yet to come" in future.reason
    assert same(before, server.state_dict())
    # A refused key is free: the right content may still come under it.
    assert server.receive(Update("b", 0, 0, weights)).is_taken


@pytest.mark.parametrize("make", [lambda w: FedBuff(w, 1), lambda w: FedAsync(w, mixing=1.0)])
def test_a_step_that_overflows_is_not_taken(make: Callable[[Any], Server]) -> None:
    server = make(np.full(2, 3e38, np.float32))
    answer = server.receive(Update("a", 0, 0, np.full(2, 3e38, np.float32)))
    assert answer.outcome is Outcome.REFUSED
    assert server.version == 0
    assert same(server.weights, np.full(2, 3e38, np.float32))
    assert server.receive(Update("b", 0, 0, np.full(2, -3e38, np.float32))).version == 1
    assert not server.weights.any()


# -- robust rules ---------------------------------------------------------------------------------
@pytest.mark.parametrize("voters", [1, 2, 5, 8])
def test_rules_against_other_libraries(voters: int) -> None:
    votes = np.random.default_rng(9).standard_t(2, size=(voters, 40))
    np.testing.assert_allclose(Median()(votes), np.median(votes, axis=0), rtol=1e-13)
    for trim in range((voters + 1) // 2):
        expected = stats.trim_mean(votes, trim / voters + 1e-9, axis=0)
        np.testing.assert_allclose(TrimmedMean(trim)(votes), expected, rtol=1e-12, atol=1e-14)


@CHECKED
@given(
    honest=st.integers(2, 7),
    seed=st.integers(0, 10**6),
    size=st.floats(1e-6, 1e300),
    median=st.booleans(),
    data=st.data(),
)
def test_wrong_votes_cannot_leave_the_honest_range(
    honest: int, seed: int, size: float, median: bool, data: st.DataObject
) -> None:
    wrong = data.draw(st.integers(0, honest - 1))
    rng = np.random.default_rng(seed)
    right = rng.normal(size=(honest, 6)) * rng.choice([0, 1e-3, 1], size=6)
    right[:, 0] = 0.1  # whose plain mean over three is not 0.1
    lies = rng.normal(size=(wrong, 6)) * size
    server = FedAvg(np.zeros(6), honest + wrong, rule=Median() if median else TrimmedMean(wrong))
    for k in rng.permutation(honest + wrong):
        vote = right[k] if k < honest else lies[k - honest]
        server.receive(Update(f"sat-{k}", 0, 0, vote, weight=1.0 if k < honest else 1e9))
    assert server.version == 1
    assert (server.weights >= right.min(axis=0)).all()
    assert (server.weights <= right.max(axis=0)).all()


def test_a_mean_follows_one_liar() -> None:
    """What the rules are for: without one, a single update moves the model anywhere."""
    server = FedAvg(np.zeros(1), 5)
    for k in range(5):
        server.receive(Update(f"sat-{k}", 0, 0, np.array([1e6 if k == 0 else 1.0])))
    assert server.weights[0] > 1e5


@pytest.mark.parametrize("rule", [Median(), TrimmedMean(1)], ids=str)
def test_many_updates_of_a_liar_are_one_vote(rule: Rule) -> None:
    server = FedBuff(np.zeros(3), 3, rule=rule)
    for k in range(10):
        server.receive(Update("liar", 0, k, np.full(3, 1e9)))
    assert server.version == 0
    for node, value in (("a", 1.0), ("b", 2.0)):
        server.receive(Update(node, 0, 0, np.full(3, value)))
    assert server.version == 1
    assert ((server.weights >= 1) & (server.weights <= 2)).all()


def test_votes_in_blocks_are_votes_at_once() -> None:
    rng = np.random.default_rng(10)
    changes = rng.normal(size=(5, 70_001))
    server = FedAvg(np.zeros(70_001), 5, rule=Median())
    for k, change in enumerate(changes):
        server.receive(Update(f"sat-{k}", 0, 0, change))
    assert np.array_equal(server.weights, np.median(changes, axis=0))


# -- saved and loaded -----------------------------------------------------------------------------
@every_server
@pytest.mark.parametrize("whole", [False, True])
def test_a_loaded_server_goes_on_as_if_nothing_happened(
    make: Callable[[Any], Server], whole: bool
) -> None:
    rng = np.random.default_rng(11)
    weights = model(rng)
    one: Any = weights["kernel"] if whole else weights
    server = make(one)
    for k, update in enumerate(stream(11)):
        delta = update.tensors["kernel"] if whole else update.delta
        base = min(update.base_version, server.version)
        other = make(one)
        state = kept(server.state_dict())
        other.load_state_dict(state)
        assert same(server.state_dict(), other.state_dict())
        replaces = ((base, k - 2),) if k > 2 else ()
        step = Update(update.node, base, k, delta, update.weight, replaces)
        assert server.receive(step) == other.receive(step)
        assert same(server.weights, other.weights)
        server = other if k % 2 else server
    assert server.version > 3


@every_server
def test_a_wrong_state_changes_nothing(make: Callable[[Any], Server]) -> None:
    weights = model(np.random.default_rng(12))
    server = make(weights)
    for k in range(4):
        server.receive(Update(f"sat-{k}", 0, 0, weights))
    state, before = server.state_dict(), server.state_dict()
    for name in state:
        broken = {key: value for key, value in state.items() if key != name}
        with pytest.raises(InputError, match="expected an entry"):
            server.load_state_dict(broken)
        assert same(before, server.state_dict())
    wrong = [
        {"weights/bias": np.zeros(7)},
        {"weights/bias": np.full(3, np.nan)},
        {"ledger/rows": state["ledger/rows"][:-1]},
        {"ledger/rows": np.full_like(state["ledger/rows"], 9)},
        {"version": np.array(-1)},
    ]
    for change in wrong:
        with pytest.raises(InputError, match="state"):
            server.load_state_dict(state | change)
        assert same(before, server.state_dict())


def test_the_ledger_forgets_without_counting_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_file, "REMEMBERED", 10)
    ledger = Ledger()
    ledger.put("a", [(0, 0)], Mark.WAITING)
    for k in range(1, 100):
        ledger.put("a", [(k // 7, k)], Mark.COUNTED)
    assert len(ledger.state_dict()["ledger/rows"]) <= 21
    assert ledger.mark("a", (0, 0)) is Mark.WAITING, "what waits is never forgotten"
    assert all(ledger.mark("a", (k // 7, k)) is Mark.COUNTED for k in range(1, 100))
    assert ledger.mark("a", (99, 0)) is None
    assert ledger.mark("b", (0, 0)) is None
    assert ledger.latest("a") == (99 // 7, 99)
    again = Ledger.of("state", kept(ledger.state_dict()))
    assert all(again.mark("a", (k // 7, k)) is Mark.COUNTED for k in range(1, 100))


# -- bad input ------------------------------------------------------------------------------------
def test_errors_name_the_field() -> None:
    array = np.zeros(2)
    wrong: list[tuple[Callable[[], object], str]] = [
        (lambda: Update("", 0, 0, array), r"Update\.node"),
        (lambda: Update("a", -1, 0, array), "base_version = -1"),
        (lambda: Update("a", 0, 0.5, array), "sequence = 0.5"),  # type: ignore[arg-type]
        (lambda: Update("a", 0, 0, array, weight=0), "weight = 0"),
        (lambda: Update("a", 0, 0, array, weight=np.nan), "weight = nan"),
        (lambda: Update("a", 0, 0, array, replaces=((0, 0),)), "another update"),
        (lambda: Update("a", 0, 0, np.array(["x"])), "dtype"),
        (lambda: Update("a", 0, 0, {"": array}), "name = ''"),
        (lambda: FedAvg(array, 0), "FedAvg buffer = 0"),
        (lambda: FedAvg(array, 2, rule=TrimmedMean(1)), "at least the 3 votes"),
        (lambda: FedBuff(array, 2, server_rate=0), "server_rate = 0"),
        (lambda: FedBuff(array, 2, max_staleness=-1), "max_staleness = -1"),
        (lambda: FedBuff(array, rule=Median(), normalise="weights"), "beside a rule"),
        (lambda: FedBuff({}), "at least one array"),
        (lambda: FedBuff(np.array([np.inf])), "finite values"),
        (lambda: FedAsync(array, mixing=0), "mixing = 0"),
        (lambda: FedAsync(array, mixing=1.5), "mixing = 1.5"),
        (lambda: TrimmedMean(-1), "trim = -1"),
        (lambda: TrimmedMean(1)(np.zeros((2, 3))), "at least 3"),
        (lambda: FedAsync(array).receive("update"), "an Update"),  # type: ignore[arg-type]
    ]
    for call, message in wrong:
        with pytest.raises(InputError, match=message):
            call()
    with pytest.raises(UnknownNameError, match="did you mean 'weights'"):
        FedBuff(array, normalise="weight")
    with pytest.raises(UnknownNameError, match="float64"):
        FedBuff(np.zeros(2, dtype=np.int64))
