"""The compressor beside torch.topk and beside the plain addition of a gradient, in one run.

    python benchmarks/bench_codec.py [--quick]

Normal float32 gradients, one per cent kept, 8 bits, one thread. The peer does what gradient
compression in torch does: add the residual, `torch.topk` of the magnitudes, gather, 8-bit values
with a linear scale, int32 indices, and the residual of what was sent. Every round times all of
them one after the other, so that they see the same machine; the figures are medians. Ours includes
the check for NaN, the exact selection, Golomb-Rice coding and the checksum.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402

from orbweave.formulations.compression.codec import Compressor, decompress  # noqa: E402
from orbweave.formulations.compression.wire import read  # noqa: E402

KEEP_RATIO = 0.01


class TorchTopK:
    """Error feedback with `torch.topk`, and the tensors that it would send."""

    def __init__(self, elements: int) -> None:
        import torch

        torch.set_num_threads(1)
        self.torch = torch
        self.residual = torch.zeros(elements)
        self.kept = round(KEEP_RATIO * elements)

    def compress(self, gradient: Any) -> tuple[Any, Any, Any]:
        self.residual += gradient
        places = self.torch.topk(self.residual.abs(), self.kept, sorted=False).indices
        values = self.residual[places]
        scale = values.abs().max() / 127
        codes = (values / scale).round().to(self.torch.int8)
        self.residual[places] = values - codes * scale
        return places.to(self.torch.int32), codes, scale

    def decompress(self, message: tuple[Any, Any, Any]) -> Any:
        places, codes, scale = message
        dense = self.torch.zeros(len(self.residual))
        return dense.scatter_(0, places.long(), codes * scale)


def medians(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each call over some rounds, after one that does not count."""
    times: dict[str, list[float]] = {key: [] for key in calls}
    for each in range(rounds + 1):
        for key, call in calls.items():
            began = time.perf_counter()
            call()
            if each:
                times[key].append(time.perf_counter() - began)
    return {key: statistics.median(row) for key, row in times.items()}


def compare(elements: int, rounds: int) -> None:
    """Compress and decompress one size both ways."""
    import torch

    rng = np.random.default_rng(0)
    gradient = rng.standard_normal(elements, dtype=np.float32)
    plain = rng.standard_normal(elements, dtype=np.float32)
    codec, peer = Compressor(KEEP_RATIO, 8), TorchTopK(elements)
    tensor = torch.from_numpy(gradient)
    message, sent = codec.compress(gradient), peer.compress(tensor)
    theirs = sum(part.numel() * part.element_size() for part in sent)
    found = medians(
        {
            "residual += gradient (NumPy)": lambda: np.add(plain, gradient, out=plain),
            "compress": lambda: codec.compress(gradient),
            "compress, torch.topk": lambda: peer.compress(tensor),
            "decompress": lambda: decompress(message),
            "decompress to places and values": lambda: read(message),
            "decompress, torch scatter": lambda: peer.decompress(sent),
        },
        rounds,
    )
    size = gradient.nbytes
    print(f"\n{elements:,} elements, {size / 1e6:,.0f} MB")
    print(f"message {len(message):,} bytes, {size / len(message):.1f}x smaller; torch {theirs:,}")
    for key, seconds in found.items():
        print(f"  {key:32} {1e3 * seconds:10.2f} ms {size / seconds / 1e6:10,.0f} MB/s")
    ours = found["compress"]
    print(
        f"  compress: {found['compress, torch.topk'] / ours:.1f}x faster than torch.topk, "
        f"{ours / found['residual += gradient (NumPy)']:.2f}x the plain addition; decompress: "
        f"{found['decompress, torch scatter'] / found['decompress']:.2f}x as fast as torch scatter"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="1 and 10 million elements only")
    quick = parser.parse_args().quick
    for elements, rounds in ((10**6, 21), (10**7, 11), (10**8, 3)):
        if elements < 10**8 or not quick:
            compare(elements, rounds)


if __name__ == "__main__":
    main()
