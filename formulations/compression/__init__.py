"""Compression of updates: how much each is squeezed, how it travels, and how late ones add up."""
