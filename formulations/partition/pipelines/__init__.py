"""Throughput: the least bottleneck over chains and graphs, with replicated stages."""
