"""Orbweave: optimisation models that plan distributed AI across Earth and orbit."""

from .formulations.checks import InputError, UnknownNameError
from .formulations.network import Link, Network, Node
from .formulations.partition import Partition, PartitionProblem, Training
from .formulations.profile import LayerProfile, ModelProfile
from .solvers.options import SolveOptions
from .solvers.pareto import pareto
from .solvers.result import Limit, Reason, SolveError, SolveResult
from .solvers.solve import solve

__all__ = [
    "InputError",
    "LayerProfile",
    "Limit",
    "Link",
    "ModelProfile",
    "Network",
    "Node",
    "Partition",
    "PartitionProblem",
    "Reason",
    "SolveError",
    "SolveOptions",
    "SolveResult",
    "Training",
    "UnknownNameError",
    "pareto",
    "solve",
]
