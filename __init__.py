"""Orbweave: optimisation models that plan distributed AI across Earth and orbit."""

from .formulations.checks import InputError, UnknownNameError
from .formulations.network import Link, Network, Node
from .formulations.partition import Partition, PartitionProblem, Training
from .formulations.profile import LayerProfile, ModelProfile
