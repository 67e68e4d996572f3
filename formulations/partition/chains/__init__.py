"""Chains with additive objectives: shortest paths, runs of layers, labels, bounds."""
