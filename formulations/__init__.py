"""Data, models and formulations: what a problem is, and how it becomes arrays."""
