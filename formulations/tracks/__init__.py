"""Exclusive antenna time at track level: which antenna tracks which mission, and when."""

from .problem import OBJECTIVES, Maintenance, TrackProblem, TrackRequest, ViewPeriod
from .solution import Track, TrackSchedule

__all__ = [
    "OBJECTIVES",
    "Maintenance",
    "Track",
    "TrackProblem",
    "TrackRequest",
    "TrackSchedule",
    "ViewPeriod",
]
