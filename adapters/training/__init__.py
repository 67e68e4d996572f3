"""Compression where people train: PyTorch tensors, a hook for its data parallelism, Flower.

Importing this loads neither PyTorch nor Flower; what needs one says so when it is used.
"""

from .ddp_hook import TopKState, topk_hook
from .flower_async import CompressedAsync
from .flower_client import CompressionMod
from .flower_grid import Trip, VirtualGrid
from .flower_strategy import CompressedFedAvg
from .torch_tensors import TorchCompressor, decompress_tensor, decompress_tensors

__all__ = [
    "CompressedAsync",
    "CompressedFedAvg",
    "CompressionMod",
    "TopKState",
    "TorchCompressor",
    "Trip",
    "VirtualGrid",
    "decompress_tensor",
    "decompress_tensors",
    "topk_hook",
]
