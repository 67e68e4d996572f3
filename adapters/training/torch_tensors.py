"""The compressor for PyTorch tensors: the same messages, made where the tensor is.

A tensor in the host's memory is read there (PyTorch and NumPy share it) and goes the road of
`Compressor`. One on a device stays there: error feedback and selection are PyTorch's operations,
the residual lies beside the tensor, and only the kept entries come to the host to be coded, and
their rounding errors go back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...formulations import checks
from ...formulations.compression import wire
from ...formulations.compression.codec import Compressor, only_tensor, refuse_infinite
from ...formulations.compression.feedback import TensorState
from ...formulations.compression.select import Picked
from .torch_select import top_k

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Types of tensors, and those in which their entries travel.
DTYPES = {"float16": "float16", "bfloat16": "float32", "float32": "float32", "float64": "float64"}


class TorchCompressor(Compressor):
    """Compresses PyTorch tensors; parameters and messages are those of `Compressor`.

    Notes
    -----
    float16, bfloat16, float32 and float64, on any device. A bfloat16 tensor travels as float32
    (`decompress_tensor` may ask for another type), and its residual is float32, like that of
    float16. For the same tensors a device gives the bytes that the host does; with momentum, where
    a product may be rounded before the sum or not, this holds up to that rounding.

    O(elements) time on the device, O(kept) on the host and over the bus. Needs PyTorch, which
    `pip install 'orbweave[torch]'` brings.
    """

    __slots__ = ()

    def compress(self, array: Any, name: str = "") -> bytes:
        """Make a message of one tensor.

        Parameters
        ----------
        array : tensor of float16, bfloat16, float32 or float64, any shape and device
            Not changed.
        name : str
            Under which the residual is kept; it does not travel.

        Returns
        -------
        bytes
            For `decompress_tensor`, or `decompress` of the NumPy codec.

        Raises
        ------
        InputError
            If an element is NaN or infinite, or the shape is not that of the tensor before. The
            residual stays as it was.
        """
        return wire.write([("", self._coding(name, array)())])

    def compress_tree(self, tensors: Mapping[str, Any]) -> bytes:
        """Make one message of several named tensors, a ``state_dict`` for example.

        Otherwise as `compress`: if one tensor is refused, no residual has changed.
        """
        codings = {name: self._coding(name, tensor) for name, tensor in tensors.items()}
        return wire.write((name, coding()) for name, coding in codings.items())

    def residual(self, name: str = "") -> Any:
        """Copy of what is still to be sent of a tensor, in its shape, where it is kept."""
        import torch

        state = self._states.get(name)
        held: Any = state.residual if isinstance(state, DeviceState) else None
        if held is not None:
            return held.clone()
        return torch.from_numpy(super().residual(name))

    def state_dict(self) -> dict[str, Any]:
        """What is remembered of all tensors, as tensors in the host's memory and whole numbers.

        `torch.save` saves it; as arrays, `Compressor` takes it too.
        """
        import torch

        return {
            key: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
            for key, value in super().state_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember what another compressor, of tensors or of arrays, did, and nothing else."""
        super().load_state_dict({key: _array(value) for key, value in state.items()})

    def _coding(self, name: str, tensor: Any) -> Callable[[], wire.CodedTensor]:
        """Check a tensor; what is returned codes it."""
        plain = _plain(f"tensor {name!r}" if name else "tensor", tensor)
        state = self._states.get(name)
        if is_on_host(plain):
            if isinstance(state, DeviceState):
                self._states[name] = state.on_host()
            array = (plain.float() if _name(plain.dtype) == "bfloat16" else plain).numpy()
            return partial(self._coded, name, array, self._checked(name, array))
        if state is not None:
            self._states[name] = DeviceState.of(state, plain.device)
        values = self._checked_on_device(name, plain)
        return partial(self._coded_on_device, name, plain, values)

    def _checked_on_device(self, name: str, tensor: Any) -> Any:
        """Flat, contiguous float32 or float64 numbers of a tensor that may be compressed."""
        import torch

        shown = f"tensor {name!r}" if name else "tensor"
        self._check_head(name, shown, _name(tensor.dtype), tuple(tensor.shape))
        wide = torch.float64 if tensor.dtype == torch.float64 else torch.float32
        values = tensor.to(wide).contiguous().view(-1)
        finite = torch.isfinite(values)
        if not bool(finite.all()):
            place = int((~finite).nonzero()[0])
            refuse_infinite(shown, place, float(values[place]), tuple(tensor.shape))
        return values

    def _coded_on_device(self, name: str, tensor: Any, values: Any) -> wire.CodedTensor:
        """Select on the device, quantise on the host; the residual is what is left."""
        scheme = self.scheme
        state: Any = self._states.get(name)
        if state is None:
            fresh = self._fresh(tuple(tensor.shape), np.dtype(_name(values.dtype)))
            state = self._states[name] = DeviceState.of(fresh, tensor.device)
        kept = scheme.kept(name, values.numel())
        if state.residual is None:
            places, found = top_k(values, kept)
        else:
            places, found = state.add_on_device(values, kept, scheme.momentum)
        if scheme.threshold > 0.0:
            is_large = found.abs() >= scheme.threshold
            places, found = places[is_large], found[is_large]
        picked = Picked(places.cpu().numpy(), found.cpu().numpy())
        kind = np.dtype(DTYPES[_name(tensor.dtype)])
        coded = self._quantised(name, kind, tuple(tensor.shape), picked, state.messages)
        if state.residual is not None:
            state.sent_from_device(places, found, coded.decoded())
        state.messages += 1
        return coded


@dataclass(slots=True)
class DeviceState(TensorState):
    """What a compressor remembers of a tensor, as tensors on its device."""

    @classmethod
    def of(cls, state: TensorState, device: Any) -> DeviceState:
        """The state of a tensor that is on `device` from now on."""
        import torch

        held: list[Any] = [
            None if part is None else torch.as_tensor(part, device=device)
            for part in (state.residual, state.velocity)
        ]
        return cls(held[0], held[1], state.messages)

    def on_host(self) -> TensorState:
        """The state of a tensor that is in the host's memory from now on."""
        residual, velocity = (
            None if part is None else np.array(_array(part))
            for part in (self.residual, self.velocity)
        )
        return TensorState(residual, velocity, self.messages)

    def to_dict(self, name: str) -> dict[str, Any]:
        """Copies of what is remembered, as ``kind/name``."""
        return self.on_host().to_dict(name)

    def add_on_device(self, values: Any, kept: int, momentum: float) -> tuple[Any, Any]:
        """Add a gradient to the residual and pick the largest of the sum, as `add` does."""
        import torch

        residual: Any = self.residual
        velocity: Any = self.velocity
        whole = residual.view(-1)
        if velocity is None:
            whole += values
        else:
            flat = velocity.view(-1)
            torch.add(values, flat, alpha=momentum, out=flat)
            whole += flat
        places, found = top_k(whole, kept)
        if not bool(torch.isfinite(found).all()):
            most = torch.finfo(whole.dtype).max
            for held in (whole, found, velocity):
                if held is not None:
                    held.clamp_(-most, most)
        return places, found

    def sent_from_device(self, places: Any, found: Any, sent: NDArray[Any]) -> None:
        """Take what was sent (in the tensor's dtype) out of what is remembered."""
        import torch

        residual: Any = self.residual
        velocity: Any = self.velocity
        out = torch.from_numpy(sent).to(found.device)
        residual.view(-1)[places] = found - out.to(found.dtype)
        if velocity is not None:
            velocity.view(-1)[places] = 0


def is_on_host(tensor: Any) -> bool:
    """Whether NumPy can read the tensor where it is."""
    return bool(tensor.device.type == "cpu")


def decompress_tensor(
    message: bytes, *, dtype: Any = None, device: Any = "cpu", max_elements: int = wire.MAX_ELEMENTS
) -> Any:
    """Unpack the one tensor of a message.

    Parameters
    ----------
    message : bytes-like
        From `TorchCompressor.compress`, `Compressor.compress`, or anything else.
    dtype : torch.dtype, optional
        That of the message unless given.
    device : torch.device or str
        Only the entries of the message travel there.
    max_elements : int
        Larger tensors are refused before memory is taken for them.

    Returns
    -------
    torch.Tensor

    Raises
    ------
    WireError
        If the bytes are not such a message.
    """
    return _dense(only_tensor(message, max_elements, "decompress_tensors"), dtype, device)


def decompress_tensors(
    message: bytes, *, dtype: Any = None, device: Any = "cpu", max_elements: int = wire.MAX_ELEMENTS
) -> dict[str, Any]:
    """Unpack all tensors of a message by name; otherwise as `decompress_tensor`.

    `max_elements` bounds their sum.
    """
    tensors = wire.read(message, max_elements)
    return {name: _dense(tensor, dtype, device) for name, tensor in tensors.items()}


def add_entries(flat: Any, sparse: wire.SparseTensor) -> None:
    """Add what a message carries to a flat tensor, where that is."""
    import torch

    places = torch.from_numpy(sparse.places).to(flat.device)
    # No place comes twice, so this is the same on every device and in every order.
    flat[places] += torch.from_numpy(sparse.values).to(flat.device).to(flat.dtype)


def _dense(sparse: wire.SparseTensor, dtype: Any, device: Any) -> Any:
    import torch

    own = getattr(torch, sparse.values.dtype.name)
    flat = torch.zeros(sparse.elements, dtype=own if dtype is None else dtype, device=device)
    add_entries(flat, sparse)
    return flat.view(sparse.shape)


def _plain(shown: str, tensor: Any) -> Any:
    """The numbers of a dense floating-point tensor, without its history."""
    try:
        import torch
    except ImportError as error:
        text = "TorchCompressor needs PyTorch: pip install 'orbweave[torch]'"
        raise ImportError(text) from error

    if not isinstance(tensor, torch.Tensor):
        checks.fail(shown, type(tensor).__name__, "a torch.Tensor")
    if tensor.layout != torch.strided:
        checks.fail(f"{shown}.layout", str(tensor.layout), "torch.strided")
    if _name(tensor.dtype) not in DTYPES:
        checks.fail(f"{shown}.dtype", str(tensor.dtype), "float16, bfloat16, float32 or float64")
    return tensor.detach()


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _array(value: Any) -> Any:
    """A tensor as an array; anything else as it is."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value
