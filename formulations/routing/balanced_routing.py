"""A balanced routing and what it is worth: recomputed from its paths, never taken on trust."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from .balance import BalanceProblem
from .balance_trees import Inward
from .flow_paths import Paths, take_apart

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: What may be off, as a share of the amounts at hand.
TOLERANCE = 1e-9

#: Uses that differ by this share are alike; a price counts above this share of them all.
ALIKE, LITTLE = 1e-5, 1e-6

#: What one link of a shortest path costs.
WEIGHTS = ("delay", "hops")


def shortest_routing(problem: BalanceProblem, weight: str = "delay") -> BalancedRouting:
    """All traffic over one shortest path each, whatever that does to links: for comparison.

    Parameters
    ----------
    problem : BalanceProblem
    weight : {"delay", "hops"}

    Raises
    ------
    InputError
        If some traffic has no way.
    """
    checks.known("shortest_routing.weight", weight, WEIGHTS)
    links, inward = problem.links, Inward.of(problem)
    if not inward.reached.all():
        text = "links by which all traffic has a way"
        checks.fail("BalanceProblem.network", f"{len(links)} links", text)
    cost = links.delay_s if weight == "delay" else np.ones(len(links))
    flow, _ = inward.flows(cost)
    return BalancedRouting.of(problem, flow)


@dataclass(frozen=True, slots=True, eq=False)
class BalancedRouting:
    """Over which paths traffic goes.

    Parameters
    ----------
    problem : BalanceProblem
    paths : Paths
        Of every row of traffic one or more.
    price : array, shape (links,), optional
        Duals: by how much the highest use falls for a bit/s that a link's rate grows, per unit of
        use. Zero unless given. Any prices prove a `bound`; good ones a tight one.
    """

    problem: BalanceProblem
    paths: Paths
    price: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        links = len(self.problem.links)
        price = np.zeros(links) if not np.size(self.price) else np.array(self.price, dtype=float)
        if price.shape != (links,) or not (np.isfinite(price).all() and (price >= 0).all()):
            checks.fail("BalancedRouting.price", price, f"{links} finite numbers >= 0")
        price.flags.writeable = False
        object.__setattr__(self, "price", price)
        self.paths.check(len(self.problem.traffic), links)

    @classmethod
    def of(
        cls, problem: BalanceProblem, flow_bps: Floats, price: Floats | None = None
    ) -> BalancedRouting:
        """The routing of a flow: taken apart into paths, circles left out.

        Parameters
        ----------
        problem : BalanceProblem
        flow_bps : array, shape (targets, links)
            What a solver's tolerance leaves open is made up: rates of a pair's paths sum to its
            traffic exactly.
        price : array, shape (links,), optional
        """
        paths = take_apart(problem, Inward.of(problem), flow_bps)
        return cls(problem, paths, np.zeros(0) if price is None else price)

    # -- what it is worth -------------------------------------------------------------------------
    @property
    def flow_bps(self) -> Floats:
        """Bit/s for each target over each link, shape (targets, links)."""
        flow = np.zeros((len(self.problem.targets), len(self.problem.links)))
        target = self.problem.target_of[self.paths.traffic]
        owner = self.paths.owner
        np.add.at(flow, (target[owner], self.paths.link), self.paths.rate_bps[owner])
        return flow

    @property
    def load_bps(self) -> Floats:
        """Bit/s over each link, shape (links,)."""
        load = np.zeros(len(self.problem.links))
        np.add.at(load, self.paths.link, self.paths.rate_bps[self.paths.owner])
        return load

    @property
    def use(self) -> Floats:
        """Share of each link's rate that is used, shape (links,); above 1 where it is too much."""
        use: Floats = self.load_bps / self.problem.links.rate_bps
        return use

    @property
    def highest_use(self) -> float:
        """The use of the link that is used most."""
        return float(self.use.max(initial=0.0))

    @property
    def objective(self) -> float:
        """The highest use."""
        return self.highest_use

    @property
    def bound(self) -> float:
        """No routing has a lower highest use: what `price` proves, shortest ways sought anew."""
        return Inward.of(self.problem).flows(self.price)[1] if self.price.any() else 0.0

    @property
    def latency_s(self) -> Floats:
        """Light time of each path, shape (paths,)."""
        delay = self.problem.links.delay_s[self.paths.link]
        latency = np.zeros(len(self.paths))
        np.add.at(latency, self.paths.owner, delay)
        return latency

    @property
    def binding(self) -> tuple[int, ...]:
        """Links of the highest use that have a price: by price times rate, the most first."""
        share, use = self.price * self.problem.links.rate_bps, self.use
        priced = share > LITTLE * share.sum()
        found = np.flatnonzero(priced & (use >= self.highest_use * (1 - ALIKE)))
        return tuple(found[np.argsort(-share[found], kind="stable")].tolist())

    # -- what it breaks ---------------------------------------------------------------------------
    def violations(self) -> tuple[str, ...]:
        """Every rule that this routing breaks, in words."""
        problem, paths, links = self.problem, self.paths, self.problem.links
        names, goals, relay = links.node_names, problem.goals, problem.relay
        found: list[str] = []
        sent = np.bincount(paths.traffic, weights=paths.rate_bps, minlength=len(problem.traffic))
        wrong = np.abs(sent - problem.rate_of) > TOLERANCE * problem.rate_of
        for k in np.flatnonzero(wrong).tolist():
            row = problem.traffic[k]
            told = f"traffic {k} from {row.source!r} to {row.target!r}"
            found.append(f"{told} is sent at {sent[k]:.12g} of {row.rate_bps:.12g} bit/s")
        if (paths.rate_bps < 0).any():
            found.append(f"path {int(np.argmin(paths.rate_bps))} has a rate below 0")
        target, source = problem.target_of[paths.traffic], problem.source_of[paths.traffic]
        for k in range(len(paths)):
            way = paths.links_of(k)
            nodes = [int(source[k]), *links.target[way].tolist()]
            told = f"path {k} of traffic {paths.traffic[k]}"
            if not len(way) or links.source[way].tolist() != nodes[:-1]:
                found.append(f"{told} is not a way from {names[source[k]]!r}")
            if not goals[target[k], nodes[-1]] or goals[target[k], nodes[:-1]].any():
                found.append(f"{told} does not end where it first arrives")
            if not relay[nodes[1:-1]].all():
                found.append(f"{told} leads through a node that passes nothing on")
            if len(set(nodes)) < len(nodes):
                found.append(f"{told} visits a node twice")
        return tuple(found)

    # -- showing ----------------------------------------------------------------------------------
    def paths_of(self, traffic: int) -> tuple[tuple[tuple[str, ...], float], ...]:
        """Names of the nodes of each path of a row of traffic, and the share that it carries."""
        rows = np.flatnonzero(self.paths.traffic == traffic)
        rate = self.problem.traffic[traffic].rate_bps
        return tuple((self._names(int(k)), float(self.paths.rate_bps[k]) / rate) for k in rows)

    def _names(self, path: int) -> tuple[str, ...]:
        links, way = self.problem.links, self.paths.links_of(path)
        nodes = [links.source[way[0]], *links.target[way]]
        return tuple(links.node_names[int(node)] for node in nodes)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: paths with shares, the links that are used, what binds."""
        links, use, load = self.problem.links, self.use, self.load_bps
        names = links.node_names

        def ends(k: int) -> dict[str, Any]:
            return {"link": k, "source": names[links.source[k]], "target": names[links.target[k]]}

        share = self.price * links.rate_bps
        return {
            "highest_use": self.highest_use,
            "bound": self.bound,
            "violations": list(self.violations()),
            "traffic": [
                {
                    "source": row.source,
                    "target": row.target,
                    "rate_bps": row.rate_bps,
                    "paths": [
                        {"nodes": list(nodes), "share": part} for nodes, part in self.paths_of(k)
                    ],
                }
                for k, row in enumerate(self.problem.traffic)
            ],
            "links": [
                {**ends(k), "load_bps": float(load[k]), "use": float(use[k])}
                for k in np.flatnonzero(load).tolist()
            ],
            "binding": [{**ends(k), "share": float(share[k])} for k in self.binding],
        }

    def _repr_html_(self) -> str:
        links, use = self.problem.links, self.use
        busiest: list[int] = np.argsort(-use, kind="stable")[:10].tolist()
        names = [escape(name) for name in links.node_names]
        ends = zip(links.source.tolist(), links.target.tolist(), strict=True)
        shown = [f"<td>{names[one]}</td><td>{names[two]}</td>" for one, two in ends]
        rows = "".join(f"<tr>{shown[k]}<td>{use[k]:.1%}</td></tr>" for k in busiest)
        return (
            f"<table><caption>{len(self.problem.traffic)} streams over {len(self.paths)} paths, "
            f"highest use {self.highest_use:.3%}</caption>"
            f"<tr><th>from</th><th>to</th><th>use</th></tr>{rows}</table>"
        )
