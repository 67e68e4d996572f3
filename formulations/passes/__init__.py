"""Pass scheduling: which bytes go over which pass, and how good that can be."""

from .problem import OBJECTIVES, Demand, PassProblem
from .schedule import PassSchedule
from .transfers import Transfers

__all__ = ["OBJECTIVES", "Demand", "PassProblem", "PassSchedule", "Transfers"]
