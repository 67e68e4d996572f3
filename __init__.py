"""Orbweave: optimisation models that plan distributed AI across Earth and orbit."""

from .adapters import (
    Scenario,
    plot,
    read_model,
    read_onnx,
    read_pytorch,
    read_scenario,
    read_tensorflow,
    to_dataframe,
    write_picture,
    write_plan,
)
from .adapters.device_graphs import read_msr, read_pipedream
from .distributed import (
    DistributedPartition,
    LatencyEstimate,
    LatencyEstimator,
    LayerPlacement,
    PartitionOptimizer,
    Validation,
)
from .formulations.checks import InputError, UnknownNameError
from .formulations.network import Link, Network, Node
from .formulations.partition import Partition, PartitionProblem, Training
from .formulations.profile import LayerProfile, ModelProfile
from .formulations.transformer import LLAMA_2_7B, LLAMA_2_70B
from .solvers.backends.pyomo_solver import from_pyomo, to_pyomo
from .solvers.options import SolveOptions
from .solvers.pareto import pareto
from .solvers.result import Limit, Reason, SolveError, SolveResult
from .solvers.solve import solve

__all__ = [
    "LLAMA_2_7B",
    "LLAMA_2_70B",
    "DistributedPartition",
    "InputError",
    "LatencyEstimate",
    "LatencyEstimator",
    "LayerPlacement",
    "LayerProfile",
    "Limit",
    "Link",
    "ModelProfile",
    "Network",
    "Node",
    "Partition",
    "PartitionOptimizer",
    "PartitionProblem",
    "Reason",
    "Scenario",
    "SolveError",
    "SolveOptions",
    "SolveResult",
    "Training",
    "UnknownNameError",
    "Validation",
    "from_pyomo",
    "pareto",
    "plot",
    "read_model",
    "read_msr",
    "read_onnx",
    "read_pipedream",
    "read_pytorch",
    "read_scenario",
    "read_tensorflow",
    "solve",
    "to_dataframe",
    "to_pyomo",
    "write_picture",
    "write_plan",
]
