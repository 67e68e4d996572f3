"""Partition: which node runs which layer.

`problem` states it, `costs` turns it into arrays, `evaluate` and `solution` judge a placement;
every other file is one way to find placements or bounds.
"""

from .problem import OBJECTIVES, PartitionProblem
from .solution import Partition
from .training import Training

__all__ = ["OBJECTIVES", "Partition", "PartitionProblem", "Training"]
