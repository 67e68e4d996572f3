"""Batteries of satellites: what charges and drains them."""

from __future__ import annotations

from dataclasses import dataclass

from .. import checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """Stored energy of a satellite, and what charges and drains it.

    Parameters
    ----------
    capacity_j : float
    initial_j : float, optional
        Charge at second 0 of the plan (or at the first contact, where that begins earlier);
        full unless given.
    solar_w : float
        Power of the panels in full sun. Between an eclipse's `start_s` and `end_s`, penumbra
        included, there is none; a plan without eclipses is always in the sun.
    base_w : float
        Drawn all the time.
    transmit_w, receive_w : float
        Drawn on top while a contact is used, to the ground or to another satellite; one that is
        used for a share of the time draws that share.
    floor_j : float
        The charge must never fall below.
    """

    capacity_j: float
    solar_w: float
    transmit_w: float
    initial_j: float | None = None
    base_w: float = 0.0
    receive_w: float = 0.0
    floor_j: float = 0.0

    def __post_init__(self) -> None:
        checks.real("Battery.capacity_j", self.capacity_j, strict=True)
        for name in ("solar_w", "transmit_w", "base_w", "receive_w"):
            checks.real(f"Battery.{name}", getattr(self, name))
        checks.between("Battery.floor_j", self.floor_j, 0.0, self.capacity_j)
        if self.initial_j is not None:
            checks.between("Battery.initial_j", self.initial_j, self.floor_j, self.capacity_j)

    @property
    def first_j(self) -> float:
        """Charge at the beginning."""
        return self.capacity_j if self.initial_j is None else self.initial_j
