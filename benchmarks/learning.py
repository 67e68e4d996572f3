"""Ten simulated satellites that train one small network, and the bytes that it takes.

Everything that would cross a link is a real message of bytes: the sender makes it, the receiver
reads it, and the lengths are added up, in both directions. The ground knows what each satellite
holds and sends what is missing, so that the way up (the model) is squeezed like the way down (the
changes); what a message leaves out of the model stays in the difference and goes with a later one.
A satellite's change is what a few steps of gradient descent on its own data do to the model that
it holds.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from learning_data import SATELLITES, Data, Floats, Tensors, fresh_weights, gradient, judged, shares
from learning_links import Road, Sender, opened
from numpy.typing import NDArray

from orbweave.formulations.compression.aggregation import FedAvg, FedBuff
from orbweave.formulations.compression.updates import Update

#: Training samples on which the loss is measured.
JUDGED = 1000


@dataclass(frozen=True, slots=True)
class Setting:
    """What is trained, on which data, for how long.

    Attributes
    ----------
    data : Data
    alpha : float or None
        Of the Dirichlet draw of labels; None for a random split.
    seed : int
        Of weights, split, batches and passes: the same for every road.
    contacts : int
        Changes that the ground gets in all.
    steps, batch : int
        Of a satellite between two contacts.
    rate : float
        Of gradient descent.
    buffer : int
        Updates of a step of FedBuff.
    every : int
        Contacts between two measurements.
    """

    data: Data
    alpha: float | None
    seed: int
    contacts: int
    steps: int = 5
    batch: int = 32
    rate: float = 0.1
    buffer: int = 3
    every: int = 20


@dataclass(frozen=True, slots=True)
class History:
    """What came of it.

    Attributes
    ----------
    contacts, accuracy, loss : array, shape (measurements,)
        Changes that the ground had, accuracy on the test set (per cent), cross-entropy on
        `JUDGED` samples of the training set.
    sent_bytes, received_bytes : int
        Of all messages of the satellites, and to them.
    staleness : float
        Mean of all updates.
    """

    contacts: NDArray[np.int64]
    accuracy: NDArray[np.float64]
    loss: NDArray[np.float64]
    sent_bytes: int
    received_bytes: int
    staleness: float

    def at(self, contacts: int, last: int = 1) -> tuple[float, float]:
        """Accuracy and loss, the mean of the last measurements up to a number of contacts."""
        end = int(np.searchsorted(self.contacts, contacts, side="right"))
        part = slice(max(end - last, 0), end)
        return float(self.accuracy[part].mean()), float(self.loss[part].mean())


class Fleet:
    """Satellites with their data, the models that they hold, and their senders."""

    def __init__(self, setting: Setting, road: Road) -> None:
        data = setting.data
        order = np.random.default_rng([setting.seed, 0]).permutation(len(data.y))
        train, test = order[: -data.tests], order[-data.tests :]
        self.setting = setting
        centre, spread = data.x[train].mean(axis=0), data.x[train].std()
        self.x, self.y = (data.x[train] - centre) / spread, data.y[train]
        self.x_test, self.y_test = (data.x[test] - centre) / spread, data.y[test]
        self.rows = shares(self.y, setting.alpha, setting.seed)
        self.start = fresh_weights(data, setting.seed)
        self.senders = [road.up() for _ in range(SATELLITES)]
        self.made = [0] * SATELLITES
        self.sent_bytes = self.received_bytes = 0

    def change(self, k: int, held: Tensors) -> dict[str, Floats]:
        """What some steps of gradient descent do to the model that satellite k holds."""
        setting, rows = self.setting, self.rows[k]
        rng = np.random.default_rng([setting.seed, 3, k, self.made[k]])
        progress = self.made[k] * SATELLITES / setting.contacts
        rate = np.float32(setting.rate * min(1.0, max(2.0 * (1.0 - progress), 0.1)))
        own = {name: array.copy() for name, array in held.items()}
        for _ in range(setting.steps):
            picked = rng.choice(rows, min(setting.batch, len(rows)), replace=False)
            for name, slope in gradient(own, self.x[picked], self.y[picked]).items():
                slope *= rate
                own[name] -= slope
        for name, array in own.items():
            array -= held[name]
        return own

    def update(self, k: int, change: Tensors, base_version: int) -> Update:
        """Satellite k sends a change: the update as the ground reads it."""
        message = self.senders[k].send(change)
        self.sent_bytes += len(message)
        self.made[k] += 1
        delta = opened(message, change)
        return Update(f"sat-{k}", base_version, self.made[k] - 1, delta, float(len(self.rows[k])))


def refreshed(held: Tensors, wanted: Tensors, sender: Sender) -> tuple[dict[str, Floats], int]:
    """What a satellite holds after a message of what it lacks, and the length of that."""
    message = sender.send({name: wanted[name] - held[name] for name in held})
    missing = opened(message, held)
    return {name: held[name] + missing[name] for name in held}, len(message)


def train(setting: Setting, road: Road) -> History:
    """Run one road to its end."""
    fleet = Fleet(setting, road)
    run = passes if road.is_asynchronous else rounds
    measured = []
    staleness = 0.0
    for contacts, weights, delay in run(fleet, road):
        staleness += delay
        if contacts % setting.every == 0 or contacts == setting.contacts:
            accuracy, _ = judged(weights, fleet.x_test, fleet.y_test)
            _, loss = judged(weights, fleet.x[:JUDGED], fleet.y[:JUDGED])
            measured.append((contacts, accuracy, loss))
    counts, accuracies, losses = zip(*measured, strict=True)
    return History(
        np.array(counts),
        np.array(accuracies),
        np.array(losses),
        fleet.sent_bytes,
        fleet.received_bytes,
        staleness / setting.contacts,
    )


def rounds(fleet: Fleet, road: Road) -> Iterator[tuple[int, Tensors, float]]:
    """Rounds of all satellites; yields contacts so far, the model, and the staleness of one."""
    server = FedAvg(fleet.start, SATELLITES)
    held, ground = fleet.start, road.down()
    share = np.array([len(rows) for rows in fleet.rows]) / len(fleet.y)
    for contacts in range(SATELLITES, fleet.setting.contacts + 1, SATELLITES):
        base = server.version
        changes = [fleet.change(k, held) for k in range(SATELLITES)]
        if road.planner and base % road.planner.every == 0:
            fleet.sent_bytes += road.planner.plan(fleet.senders, changes, share)
        for k in range(SATELLITES):
            server.receive(fleet.update(k, changes[k], base))
        held, length = refreshed(held, server.weights, ground)
        fleet.received_bytes += SATELLITES * length
        yield contacts, server.weights, 0.0


#: Time between a station and the aggregator, in mean times between two passes of a satellite.
RELAY = 0.15


def passes(fleet: Fleet, road: Road) -> Iterator[tuple[int, Tensors, float]]:
    """Passes at random times: at each, a change comes down and what is new goes up.

    A satellite trains on what it got at the pass before. The gaps between its passes are gamma
    distributed (shape 4) around 1; a change reaches the aggregator `RELAY` later.
    """
    setting = fleet.setting
    server = FedBuff(fleet.start, setting.buffer)
    rng = np.random.default_rng([setting.seed, 4])
    held: list[Tensors] = [fleet.start] * SATELLITES
    base = [0] * SATELLITES
    grounds: list[Sender] = [road.down() for _ in range(SATELLITES)]
    # Arrivals carry their update, passes None; the number in second place decides ties.
    events: list[tuple[float, int, int, Update | None]] = []
    for k in range(SATELLITES):
        heapq.heappush(events, (float(rng.uniform()), k, k, None))
    contacts, serial = 0, SATELLITES
    while contacts < setting.contacts:
        now, _, k, update = heapq.heappop(events)
        serial += 1
        if update is not None:
            delay = server.version - update.base_version
            server.receive(update)
            contacts += 1
            yield contacts, server.weights, delay
            continue
        update = fleet.update(k, fleet.change(k, held[k]), base[k])
        heapq.heappush(events, (now + RELAY, serial, k, update))
        held[k], length = refreshed(held[k], server.weights, grounds[k])
        base[k] = server.version
        fleet.received_bytes += length
        serial += 1
        heapq.heappush(events, (now + float(rng.gamma(4, 0.25)), serial, k, None))
