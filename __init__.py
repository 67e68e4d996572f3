"""Orbweave: optimisation models that plan distributed AI across Earth and orbit."""

from .adapters import (
    Scenario,
    ScheduleScenario,
    SpaceScenario,
    plan_from_dataframe,
    plot,
    read_contact_plan,
    read_model,
    read_omm,
    read_onnx,
    read_pytorch,
    read_satnet,
    read_scenario,
    read_schedule_scenario,
    read_space_scenario,
    read_stations,
    read_tensorflow,
    read_tle,
    station_providers,
    stations,
    to_dataframe,
    write_contact_plan,
    write_omm,
    write_passes,
    write_picture,
    write_plan,
    write_satnet,
    write_schedule,
    write_tle,
)
from .adapters.device_graphs import read_msr, read_pipedream
from .adapters.route_scenario import RouteScenario, read_route_scenario
from .distributed import (
    DistributedPartition,
    LatencyEstimate,
    LatencyEstimator,
    LayerPlacement,
    PartitionOptimizer,
    Validation,
)
from .formulations.checks import InputError, UnknownNameError
from .formulations.compression.aggregation import FedAsync, FedAvg, FedBuff
from .formulations.compression.budgets import keep_ratio_for, most_message_bytes
from .formulations.compression.codec import Compressor, decompress, decompress_tree
from .formulations.compression.cursor import WireError
from .formulations.compression.curves import ErrorCurve, curves_from_json, curves_to_json
from .formulations.compression.measure import curve_of, curves_of
from .formulations.compression.outbox import Outbox
from .formulations.compression.problem import CompressionProblem
from .formulations.compression.robust import Median, TrimmedMean
from .formulations.compression.solution import CompressionPlan
from .formulations.compression.staleness import Constant, Hinge, Polynomial
from .formulations.compression.updates import Outcome, Receipt, Update
from .formulations.contacts import Contact, ContactPlan, PlanNode
from .formulations.link_budgets import (
    KA_BAND_DOWNLINK,
    LASER_ISL,
    S_BAND_UPLINK,
    X_BAND_DOWNLINK,
    FixedLink,
    LaserLink,
    RadioLink,
    Site,
)
from .formulations.network import Link, Network, Node
from .formulations.orbits import Constellation, Shell
from .formulations.partition import Partition, PartitionProblem, Training
from .formulations.passes import Demand, PassProblem, PassSchedule, Transfers
from .formulations.passes.battery import Battery
from .formulations.profile import LayerProfile, ModelProfile
from .formulations.routing.balance import BalanceProblem, Links, Traffic
from .formulations.routing.balanced_routing import BalancedRouting, shortest_routing
from .formulations.routing.booking import BookingProblem, Bookings, Bundle
from .formulations.routing.earliest import earliest_arrivals, latest_departures
from .formulations.routing.ground import GroundAccess
from .formulations.routing.hop import Hop
from .formulations.routing.hypatia import hypatia_mesh
from .formulations.routing.light_time import light_time_bound_s, mesh_bound_s
from .formulations.routing.mesh import Mesh
from .formulations.routing.mesh_state import MeshState, mesh_state
from .formulations.routing.motifs import MotifScore, MotifSearch, search_motifs
from .formulations.routing.problem import RouteProblem
from .formulations.routing.route_changes import route_changes
from .formulations.routing.snapshot_answers import ForwardingStates, SnapshotPaths
from .formulations.routing.snapshots import (
    forwarding_states,
    forwarding_stream,
    snapshot_paths,
    snapshot_stream,
)
from .formulations.routing.solution import Route
from .formulations.routing.watch import RouteChange, RouteLog
from .formulations.satellites import Satellite
from .formulations.space.earth import EarthRotation
from .formulations.space.eclipses import EclipseTable, eclipses
from .formulations.space.findings import OrbitFinding, inspect_orbits
from .formulations.space.isl import IslTable, isl_windows
from .formulations.space.passes import PassTable, passes
from .formulations.space.plan import Accuracy, GroundLinks, contact_plan
from .formulations.space.propagate import propagate
from .formulations.space.topology import IslTopology
from .formulations.stations import GroundStation
from .formulations.tracks import (
    Maintenance,
    Track,
    TrackProblem,
    TrackRequest,
    TrackSchedule,
    ViewPeriod,
)
from .formulations.transformer import LLAMA_2_7B, LLAMA_2_70B
from .solvers.backends.pyomo_solver import from_pyomo, to_pyomo
from .solvers.options import SolveOptions
from .solvers.pareto import pareto
from .solvers.replan import Replan, replan
from .solvers.result import Limit, Reason, SolveError, SolveResult
from .solvers.solve import solve

__all__ = [
    "KA_BAND_DOWNLINK",
    "LASER_ISL",
    "LLAMA_2_7B",
    "LLAMA_2_70B",
    "S_BAND_UPLINK",
    "X_BAND_DOWNLINK",
    "Accuracy",
    "BalanceProblem",
    "BalancedRouting",
    "Battery",
    "BookingProblem",
    "Bookings",
    "Bundle",
    "CompressionPlan",
    "CompressionProblem",
    "Compressor",
    "Constant",
    "Constellation",
    "Contact",
    "ContactPlan",
    "Demand",
    "DistributedPartition",
    "EarthRotation",
    "EclipseTable",
    "ErrorCurve",
    "FedAsync",
    "FedAvg",
    "FedBuff",
    "FixedLink",
    "ForwardingStates",
    "GroundAccess",
    "GroundLinks",
    "GroundStation",
    "Hinge",
    "Hop",
    "InputError",
    "IslTable",
    "IslTopology",
    "LaserLink",
    "LatencyEstimate",
    "LatencyEstimator",
    "LayerPlacement",
    "LayerProfile",
    "Limit",
    "Link",
    "Links",
    "Maintenance",
    "Median",
    "Mesh",
    "MeshState",
    "ModelProfile",
    "MotifScore",
    "MotifSearch",
    "Network",
    "Node",
    "OrbitFinding",
    "Outbox",
    "Outcome",
    "Partition",
    "PartitionOptimizer",
    "PartitionProblem",
    "PassProblem",
    "PassSchedule",
    "PassTable",
    "PlanNode",
    "Polynomial",
    "RadioLink",
    "Reason",
    "Receipt",
    "Replan",
    "Route",
    "RouteChange",
    "RouteLog",
    "RouteProblem",
    "RouteScenario",
    "Satellite",
    "Scenario",
    "ScheduleScenario",
    "Shell",
    "Site",
    "SnapshotPaths",
    "SolveError",
    "SolveOptions",
    "SolveResult",
    "SpaceScenario",
    "Track",
    "TrackProblem",
    "TrackRequest",
    "TrackSchedule",
    "Traffic",
    "Training",
    "Transfers",
    "TrimmedMean",
    "UnknownNameError",
    "Update",
    "Validation",
    "ViewPeriod",
    "WireError",
    "contact_plan",
    "curve_of",
    "curves_from_json",
    "curves_of",
    "curves_to_json",
    "decompress",
    "decompress_tree",
    "earliest_arrivals",
    "eclipses",
    "forwarding_states",
    "forwarding_stream",
    "from_pyomo",
    "hypatia_mesh",
    "inspect_orbits",
    "isl_windows",
    "keep_ratio_for",
    "latest_departures",
    "light_time_bound_s",
    "mesh_bound_s",
    "mesh_state",
    "most_message_bytes",
    "pareto",
    "passes",
    "plan_from_dataframe",
    "plot",
    "propagate",
    "read_contact_plan",
    "read_model",
    "read_msr",
    "read_omm",
    "read_onnx",
    "read_pipedream",
    "read_pytorch",
    "read_route_scenario",
    "read_satnet",
    "read_scenario",
    "read_schedule_scenario",
    "read_space_scenario",
    "read_stations",
    "read_tensorflow",
    "read_tle",
    "replan",
    "route_changes",
    "search_motifs",
    "shortest_routing",
    "snapshot_paths",
    "snapshot_stream",
    "solve",
    "station_providers",
    "stations",
    "to_dataframe",
    "to_pyomo",
    "write_contact_plan",
    "write_omm",
    "write_passes",
    "write_picture",
    "write_plan",
    "write_satnet",
    "write_schedule",
    "write_tle",
]
