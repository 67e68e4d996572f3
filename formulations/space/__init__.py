"""Orbits, passes, shadows and inter-satellite links: from a constellation to a contact plan."""
