"""The documented Distributed Compute API: a mutable wrapper round the frozen types.

`PartitionOptimizer` plans, `DistributedPartition` is the plan that can be edited by hand,
`LayerPlacement` is one written by hand, `LatencyEstimator` says where the time goes. Times are in
milliseconds and sizes in MB (10^6 bytes) here, as the names say; everything below is in SI units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from orbweave.formulations import checks
from orbweave.formulations.network import KINDS, Network
from orbweave.formulations.partition import Partition, PartitionProblem
from orbweave.formulations.partition.breakdown import LatencyBreakdown, LayerLatency, break_down
from orbweave.formulations.partition.by_hand import resolve
from orbweave.formulations.profile import ModelProfile
from orbweave.solvers.options import SolveOptions
from orbweave.solvers.result import SolveResult
from orbweave.solvers.solve import solve

#: Fields of `PartitionProblem` that `PartitionOptimizer.optimize` passes on.
CONSTRAINTS = tuple(
    name
    for name in PartitionProblem.__dataclass_fields__
    if name not in ("profile", "network", "objective", "_cache")
)


@dataclass(frozen=True, slots=True)
class Validation:
    """What is wrong with a plan, in words; nothing where it is valid.

    Attributes
    ----------
    issues : list of str
    """

    issues: list[str]

    @property
    def is_valid(self) -> bool:
        """Whether there is no issue."""
        return not self.issues


class PartitionOptimizer:
    """Plan where each layer of a model runs.

    Parameters
    ----------
    api_key : str, optional
        Accepted and ignored: everything runs here, no account or server is involved.
    options : SolveOptions, optional
        Time limit, gap, seed and the like.
    """

    def __init__(self, api_key: str | None = None, *, options: SolveOptions | None = None) -> None:
        del api_key
        self.options = options

    def optimize(
        self,
        model: Any,
        topology: Mapping[str, Any] | Network,
        objective: str = "minimize_latency",
        *,
        example_inputs: Any = None,
        **constraints: Any,
    ) -> DistributedPartition:
        """Find the best placement.

        Parameters
        ----------
        model : ModelProfile or framework model
            A profile, a PyTorch, Keras/TensorFlow or ONNX model, or the path of an ``.onnx`` file
            or of a ``.json`` profile.
        topology : mapping or Network
            See `Network.from_topology` for the keys.
        objective : str
            ``minimize_latency``, ``minimize_bandwidth``, ``minimize_energy``,
            ``maximize_throughput`` or ``balance``, with or without the verb.
        example_inputs : optional
            For profiling a PyTorch model.
        **constraints
            Fields of `PartitionProblem`: ``pinned``, ``forbidden``, ``max_cuts``, ``limits``, ...
            The defaults differ in two: ``input_node`` and ``output_node`` are ground-0 (the first
            ground node of a `Network` that has no ground-0), and ``contiguous`` is False, so that a
            plan may go up and come down again.

        Returns
        -------
        DistributedPartition
            With the certificate in ``result`` (bound, gap, reason).

        Raises
        ------
        InputError
            For an unknown objective, topology key, constraint, layer or node (naming the nearest
            valid one) or a value that makes no sense.
        SolveError
            If there is no placement; the message says why.
        """
        for name in constraints:
            checks.known("PartitionOptimizer.optimize argument", name, CONSTRAINTS)
        network = _network(topology)
        home = _home(network)
        fields = {"input_node": home, "output_node": home, "contiguous": False, **constraints}
        problem = PartitionProblem(
            _profile(model, example_inputs), network, objective=objective, **fields
        )
        result = solve(problem, self.options)
        return DistributedPartition(result.require(), result=result, options=self.options)


class DistributedPartition:
    """A plan that can be edited: which node runs which layer, and what that is worth.

    Moving a layer changes the placement at once (`node_of_layer`, `cut_points`, `ground_layers`,
    `orbital_layers`, `validation`); the estimates stay those of the last `recalculate()`, and
    `is_stale` says so.

    Parameters
    ----------
    partition : Partition
    result : SolveResult, optional
        The solve that gave it.
    options : SolveOptions, optional
        For `recalculate(reoptimize=True)`.
    """

    def __init__(
        self,
        partition: Partition,
        *,
        result: SolveResult[Partition] | None = None,
        options: SolveOptions | None = None,
    ) -> None:
        if not isinstance(partition, Partition):
            checks.fail("DistributedPartition.partition", partition, "a Partition")
        self._partition = self._estimated = partition
        self._result = result
        self._options = options
        self._moved: dict[int, str] = {}

    # -- the placement ----------------------------------------------------------------------------
    @property
    def partition(self) -> Partition:
        """The placement as it stands, frozen: what `orbweave.plot` and the writers take."""
        return self._partition

    @property
    def result(self) -> SolveResult[Partition] | None:
        """The last solve, with its bound; its ``solution`` knows nothing of layers moved since."""
        return self._result

    @property
    def node_of_layer(self) -> tuple[str, ...]:
        """Node of each layer."""
        return self._partition.node_of_layer

    @property
    def cut_points(self) -> tuple[int, ...]:
        """Layers that read from another node: the first layer of each new run in a chain."""
        return self._partition.cut_points

    @property
    def ground_layers(self) -> tuple[int, ...]:
        """Layers on ground nodes."""
        return self._on("ground")

    @property
    def orbital_layers(self) -> tuple[int, ...]:
        """Layers on orbital nodes."""
        return self._on("orbital")

    def _on(self, kind: str) -> tuple[int, ...]:
        nodes = {row.name for row in self._partition.problem.network.nodes if row.kind == kind}
        return tuple(i for i, name in enumerate(self.node_of_layer) if name in nodes)

    @property
    def validation(self) -> Validation:
        """Every constraint that the placement as it stands breaks."""
        return Validation(list(self._partition.violations()))

    # -- the estimates ----------------------------------------------------------------------------
    @property
    def is_stale(self) -> bool:
        """Whether a layer moved since the last `recalculate()`."""
        return self._estimated is not self._partition

    @property
    def estimated_latency_ms(self) -> float:
        """Milliseconds from the request to the last byte of its answer."""
        return self._estimated.evaluation.latency * 1e3

    @property
    def transfer_size_mb(self) -> float:
        """MB over ground-orbital hops per request (any hop where there is one kind of node).

        What ``minimize_bandwidth`` minimises: the model's input and output count, and a tensor
        counts once for each such hop that it crosses.
        """
        return self._estimated.evaluation.bandwidth / 1e6

    @property
    def estimated_energy_j(self) -> float:
        """Joules per request."""
        return self._estimated.evaluation.energy

    @property
    def estimated_throughput_rps(self) -> float:
        """Requests per second that the busiest node or link can keep up with."""
        busiest = self._estimated.evaluation.throughput
        return 1.0 / busiest if busiest > 0 else float("inf")

    # -- editing ----------------------------------------------------------------------------------
    def move_layer(self, layer: int | str, to: str) -> None:
        """Move one layer; `recalculate()` then brings the estimates up to date.

        Parameters
        ----------
        layer : int or str
            Number or name.
        to : str
            A node's name, or "ground" or "orbital": the layer stays where it is if that is its
            kind already, else it goes to the node of that kind which breaks the fewest constraints
            and, among those, gives the least latency (the first of equals).

        Raises
        ------
        InputError
            For an unknown layer or node, naming the nearest valid one.
        """
        problem = self._partition.problem
        index = problem.profile.index(layer)
        names = problem.network.node_names
        kinds = tuple(k for k in KINDS if any(row.kind == k for row in problem.network.nodes))
        to = checks.known("move_layer to", to, (*kinds, *names))
        if to in names:
            choices = [to]
        elif index in self._on(to):
            choices = [self.node_of_layer[index]]
        else:
            choices = [row.name for row in problem.network.nodes if row.kind == to]
        moved = [self._with(index, name) for name in choices]
        best = moved[0] if len(moved) == 1 else min(moved, key=_merit)
        if best.node_of_layer != self.node_of_layer or best.replicas != self._partition.replicas:
            self._partition = best
        self._moved[index] = best.node_of_layer[index]

    def _with(self, layer: int, name: str) -> Partition:
        """The placement with one layer on one other node."""
        old = self._partition
        nodes = (*old.node_of_layer[:layer], name, *old.node_of_layer[layer + 1 :])
        rows = old.replicas
        if rows is not None:
            rows = (*rows[:layer], (name,), *rows[layer + 1 :])
        return Partition(old.problem, nodes, rows)

    def recalculate(self, *, reoptimize: bool = False) -> DistributedPartition:
        """Bring the estimates up to date with the placement.

        Parameters
        ----------
        reoptimize : bool
            False: judge the placement as it stands. True: keep every layer that was moved where it
            was moved to (a later move of a layer replaces an earlier one, and a pin) and choose
            the others anew.

        Returns
        -------
        DistributedPartition
            Itself.

        Raises
        ------
        SolveError
            With `reoptimize`, if no placement respects the moves; nothing changes then.
        """
        if reoptimize:
            problem = self._partition.problem
            pins = {**problem.pinned, **{i: (name,) for i, name in self._moved.items()}}
            result = solve(problem.replace(pinned=pins), self._options)
            self._partition, self._result = result.require(), result
        self._estimated = self._partition
        return self

    # -- showing ----------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """Plain data of the placement as it stands, with the estimates of this wrapper."""
        result = self._result
        return {
            **self._partition.to_dict(),
            "ground_layers": list(self.ground_layers),
            "orbital_layers": list(self.orbital_layers),
            "estimated_latency_ms": self.estimated_latency_ms,
            "transfer_size_mb": self.transfer_size_mb,
            "is_stale": self.is_stale,
            "reason": None if result is None else result.reason.value,
            "bound": None if result is None else result.bound,
        }

    def __repr__(self) -> str:
        stale = ", stale" if self.is_stale else ""
        return (
            f"DistributedPartition({len(self.ground_layers)} ground and "
            f"{len(self.orbital_layers)} orbital layers, cut points {list(self.cut_points)}, "
            f"{self.estimated_latency_ms:.6g} ms, {self.transfer_size_mb:.6g} MB{stale})"
        )

    def _repr_html_(self) -> str:
        proof = ""
        if self._result is not None:
            proof = f"; {self._result.reason.value}, gap {self._result.gap:.2g} when solved"
        stale = " (before the last moves)" if self.is_stale else ""
        line = (
            f"{self.estimated_latency_ms:.6g} ms, {self.transfer_size_mb:.6g} MB over "
            f"ground-orbital links{stale}{proof}"
        )
        return f"<p>{escape(line)}</p>{self._partition._repr_html_()}"


class LayerPlacement:
    """A plan written by hand: say where layers go, have it checked, use it.

    Assigning a layer again moves it: the last word counts.
    """

    def __init__(self) -> None:
        # Layer (number or name) -> what the caller wrote: (kind or "", node or "").
        self._assigned: dict[int | str, tuple[str, str]] = {}

    def assign_ground(
        self, layers: int | str | Iterable[int | str], node: str | None = None
    ) -> LayerPlacement:
        """Put layers on the ground: on `node`, or on the first ground node with memory left."""
        return self._assign(layers, "ground", node)

    def assign_orbital(
        self, layers: int | str | Iterable[int | str], node: str | None = None
    ) -> LayerPlacement:
        """Put layers in orbit: on `node`, or on the first orbital node with memory left."""
        return self._assign(layers, "orbital", node)

    def assign(self, layers: int | str | Iterable[int | str], node: str) -> LayerPlacement:
        """Put layers on a node, or on "ground" or "orbital"."""
        node = checks.text("LayerPlacement.assign node", node)
        return self._assign(layers, node, None) if node in KINDS else self._assign(layers, "", node)

    def _assign(
        self, layers: int | str | Iterable[int | str], kind: str, node: str | None
    ) -> LayerPlacement:
        listed = [layers] if isinstance(layers, int | str) else list(layers)
        if node is not None:
            checks.text("LayerPlacement node", node)
        keys = [
            row if isinstance(row, str) else checks.whole("LayerPlacement layer", row)
            for row in listed
        ]
        for key in keys:
            # Taken out first, so that the order of the table is that of the last word on each.
            self._assigned.pop(key, None)
            self._assigned[key] = (kind, node or "")
        return self

    def validate(self, model: Any, topology: Mapping[str, Any] | Network) -> Validation:
        """Check the placement against a model and a topology.

        Returns
        -------
        Validation
            Layers that do not exist or are not assigned, unknown nodes, nodes of the other kind,
            memory that is exceeded, links that are missing.
        """
        profile, network = _profile(model), _network(topology)
        issues, _ = resolve(self._assigned, profile, network)
        if not issues:
            issues = list(self.to_partition(profile, network).violations())
        return Validation(issues)

    def to_partition(
        self, model: Any, topology: Mapping[str, Any] | Network, **constraints: Any
    ) -> Partition:
        """Build the frozen `Partition`; ``DistributedPartition(partition)`` makes it editable.

        Layers assigned to a kind without a node fill that kind's nodes in order, each up to its
        memory; what fits nowhere goes to the last, and `validate` reports it.

        Raises
        ------
        InputError
            If a layer is not assigned or does not exist, or a node is unknown.
        """
        profile, network = _profile(model), _network(topology)
        issues, nodes = resolve(self._assigned, profile, network)
        if issues:
            checks.fail("LayerPlacement", "; ".join(issues), "every layer on a node that exists")
        for name in constraints:
            checks.known("LayerPlacement.to_partition argument", name, CONSTRAINTS)
        home = _home(network)
        fields = {"input_node": home, "output_node": home, "contiguous": False, **constraints}
        return Partition(PartitionProblem(profile, network, **fields), nodes)


@dataclass(frozen=True, slots=True)
class LayerEstimate:
    """One row of `LatencyEstimate.by_layer`; see `LayerLatency` for the exact meanings.

    Attributes
    ----------
    index : int
    name, node, kind : str
    compute_ms, transfer_ms : float
        Its run, and its slowest incoming transfer (for an output layer also the way out).
    total_ms : float
        Both together; for a chain these sum to the estimate's total.
    critical_ms : float
        What it adds to the critical path; these sum to the total for any graph.
    start_ms, finish_ms : float
    """

    index: int
    name: str
    node: str
    kind: str
    compute_ms: float
    transfer_ms: float
    total_ms: float
    critical_ms: float
    start_ms: float
    finish_ms: float

    @classmethod
    def of(cls, row: LayerLatency) -> LayerEstimate:
        """Convert from seconds."""
        times = ("compute", "transfer", "total", "critical", "start", "finish")
        numbers = {f"{name}_ms": getattr(row, f"{name}_s") * 1e3 for name in times}
        return cls(row.index, row.name, row.node, row.kind, **numbers)


@dataclass(frozen=True, slots=True)
class LatencyEstimate:
    """The latency of one request in seven parts that sum to `total_ms`, and by layer.

    For a model with branches the parts are those of the critical path; see `LatencyBreakdown`.
    """

    total_ms: float
    ground_compute_ms: float
    orbital_compute_ms: float
    uplink_ms: float
    downlink_ms: float
    propagation_ms: float
    isl_ms: float
    terrestrial_ms: float
    by_layer: tuple[LayerEstimate, ...]

    @classmethod
    def of(cls, parts: LatencyBreakdown) -> LatencyEstimate:
        """Convert from seconds."""
        numbers = {f"{name[:-2]}_ms": value * 1e3 for name, value in parts.parts.items()}
        rows = tuple(LayerEstimate.of(row) for row in parts.layers)
        return cls(total_ms=parts.total_s * 1e3, by_layer=rows, **numbers)

    def _repr_html_(self) -> str:
        names = [n for n in type(self).__dataclass_fields__ if n.endswith("_ms")]
        head = ", ".join(
            f"{name[:-3].replace('_', ' ')} {getattr(self, name):.6g}" for name in names
        )
        rows = "".join(
            f"<tr><td>{escape(row.name)}</td><td>{escape(row.node)}</td>"
            f"<td>{row.compute_ms:.6g}</td><td>{row.transfer_ms:.6g}</td></tr>"
            for row in self.by_layer
        )
        return (
            f"<table><caption>latency in ms: {escape(head)}</caption><tr><th>layer</th>"
            f"<th>node</th><th>compute</th><th>transfer</th></tr>{rows}</table>"
        )


class LatencyEstimator:
    """Say where the latency of a placement goes.

    Parameters
    ----------
    topology : mapping or Network, optional
        Where to estimate; None: the partition's own. It may differ from the one that the placement
        was made for (slower links, say), as long as its nodes have the same names.
    """

    def __init__(self, topology: Mapping[str, Any] | Network | None = None) -> None:
        self.network = None if topology is None else _network(topology)

    def estimate(
        self, partition: DistributedPartition | Partition | LayerPlacement, model: Any = None
    ) -> LatencyEstimate:
        """Estimate the latency of a placement as it stands, moved layers included.

        Parameters
        ----------
        partition : DistributedPartition, Partition or LayerPlacement
        model : ModelProfile or framework model, optional
            Needed for a `LayerPlacement`, which knows layers by number only.

        Raises
        ------
        InputError
            If a node of the placement is not in the topology, a transfer has no route, or a
            `LayerPlacement` comes without a model.
        """
        if isinstance(partition, LayerPlacement):
            if model is None:
                checks.fail("LatencyEstimator.estimate model", None, "the model of the placement")
            if self.network is None:
                checks.fail("LatencyEstimator.topology", None, "the topology of the placement")
            partition = partition.to_partition(model, self.network)
        elif isinstance(partition, DistributedPartition):
            partition = partition.partition
        elif not isinstance(partition, Partition):
            checks.fail(
                "LatencyEstimator.estimate partition",
                partition,
                "a DistributedPartition, a Partition or a LayerPlacement",
            )
        return LatencyEstimate.of(break_down(self._here(partition)))

    def _here(self, partition: Partition) -> Partition:
        """The same placement on this topology."""
        problem = partition.problem
        if self.network is None or self.network == problem.network:
            return partition
        if problem.compute_s is not None:
            checks.fail(
                "LatencyEstimator.topology",
                "another network than the partition's",
                "the partition's own, because its layer times were measured there (compute_s)",
            )
        moved = PartitionProblem(
            problem.profile,
            self.network,
            input_node=problem.input_node,
            output_node=problem.output_node,
            contiguous=False,
            training=problem.training,
            multicast=problem.multicast,
            max_replicas=problem.max_replicas,
        )
        return Partition(moved, partition.node_of_layer, partition.replicas)


def _network(topology: Mapping[str, Any] | Network) -> Network:
    return topology if isinstance(topology, Network) else Network.from_topology(topology)


def _home(network: Network) -> str:
    """Where requests come from unless said: ground-0, else the first ground node or the first."""
    names = [row.name for row in network.nodes if row.kind == "ground"]
    return "ground-0" if "ground-0" in names else (*names, network.nodes[0].name)[0]


def _profile(model: Any, example_inputs: Any = None) -> ModelProfile:
    """A profile of whatever the caller has; frameworks are recognised by name, never imported."""
    if isinstance(model, ModelProfile):
        return model
    suffix = Path(model).suffix.lower() if isinstance(model, str | Path) else ""
    roots = {base.__module__.partition(".")[0] for base in type(model).__mro__}
    if suffix == ".json":
        return ModelProfile.from_json(Path(model))
    if suffix == ".onnx" or roots & {"onnx", "onnx_ml_pb2"}:
        return ModelProfile.from_onnx(model)
    # Keras first: on its torch backend, a Keras model is a torch module as well.
    if roots & {"keras", "tensorflow"}:
        return ModelProfile.from_tensorflow(model)
    if "torch" in roots:
        return ModelProfile.from_pytorch(model, example_inputs)
    return checks.fail(
        "model",
        model,
        "a ModelProfile, a PyTorch, Keras/TensorFlow or ONNX model, or a path to .onnx or .json",
    )


def _merit(partition: Partition) -> tuple[int, float]:
    return len(partition.violations()), partition.evaluation.latency
