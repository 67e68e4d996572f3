"""Pictures: placements, fronts, passes, maps, skies, contact plans."""
