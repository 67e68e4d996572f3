"""One contact on the way of a bundle."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hop:
    """One contact on the way.

    Attributes
    ----------
    contact : int
        Position in the plan.
    source, target : str
    depart_s, end_s : float
        First and last moment of the transmission.
    arrive_s : float
        When the bundle is whole at the target, the light time after `end_s`.
    """

    contact: int
    source: str
    target: str
    depart_s: float
    end_s: float
    arrive_s: float
