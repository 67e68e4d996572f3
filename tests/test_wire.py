"""The wire format against a decoder written from its page, its figures, and hostile bytes."""

from __future__ import annotations

import struct
import sys
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from orbweave.formulations.checks import InputError
from orbweave.formulations.compression.budgets import keep_ratio_for, most_message_bytes
from orbweave.formulations.compression.codec import Compressor, decompress, decompress_tree
from orbweave.formulations.compression.cursor import WireError, varint
from orbweave.formulations.compression.rice import decode, encode, pack, unpack
from orbweave.formulations.compression.sizes import message_bytes
from orbweave.formulations.compression.wire import MAX_ELEMENTS, read

CONTENT = {
    "one per cent": (Compressor(0.01, 8), (200, 50)),
    "few levels": (Compressor(0.3, 3, levels="linear"), (77,)),
    "levels with zero": (Compressor(1.0, 4), (3, 11)),
    "numbers": (Compressor(0.1, None), (40, 5)),
    "everything": (Compressor(1.0, None), (9,)),
    "scalar": (Compressor(1.0, 2), ()),
}


def laplace(shape: Any, seed: int = 0, dtype: Any = np.float32) -> Any:
    return np.random.default_rng(seed).laplace(size=shape).astype(dtype)


def messages() -> Iterator[bytes]:
    for seed, (codec, shape) in enumerate(CONTENT.values()):
        yield codec.compress(laplace(shape, seed))
    yield Compressor(0.2, 5).compress_tree(
        {"a/b": laplace((4, 5)), "a/c": laplace(30, 1, np.float16), "z": laplace(3, 2, np.float64)}
    )


def stamped(body: bytes) -> bytes:
    """A message with the right checksum, so that the reader's own checks are met."""
    return body + struct.pack("<I", zlib.crc32(body))


FLT_MAX = (2 - 2**-23) * 2.0**127
DBL_MAX = sys.float_info.max


class Bits:
    """Bits of a byte string, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self.bits = [byte >> k & 1 for byte in data for k in range(8)]

    def field(self, width: int) -> int:
        taken, self.bits = self.bits[:width], self.bits[width:]
        assert len(taken) == width
        return sum(bit << k for k, bit in enumerate(taken))

    def zeros(self) -> int:
        count = self.bits.index(1)
        self.bits = self.bits[count + 1 :]
        return count


def by_the_page(message: bytes) -> dict[str, Any]:
    """Oracle: a decoder of docs/wire-format.md in plain Python."""
    body, (checksum,) = message[:-4], struct.unpack("<I", message[-4:])
    assert checksum == zlib.crc32(body)
    assert body[:5] == b"OWCT\x01"
    at = 5

    def take(count: int) -> bytes:
        nonlocal at
        at += count
        assert at <= len(body)
        return body[at - count : at]

    def number() -> int:
        found, shift = 0, 0
        while True:
            byte = take(1)[0]
            found |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return found

    tensors, name = {}, b""
    for _ in range(number()):
        name = name[: number()]
        name += take(number())
        code, kind, bits, dimensions = take(4)
        letter, most = {1: ("e", 65504.0), 2: ("f", FLT_MAX), 3: ("d", DBL_MAX)}[code]
        shape = [number() for _ in range(dimensions)]
        elements = int(np.prod(shape, dtype=object))
        count = number()
        tensor = np.zeros(elements, letter)
        levels: list[float] = []
        if count and kind:
            stored = "d" if code == 3 else "f"
            size = struct.calcsize(stored)
            low, step = (struct.unpack("<" + stored, take(size))[0] for _ in range(2))
            levels = [0.0] if kind & 128 else []
            while len(levels) < 2 ** (bits - 1):
                levels.append(low)
                low = low * step if kind & 127 == 2 else low + step
            levels = [min(level, most) for level in levels]
        places = list(range(elements))
        if count and count < elements:
            parameter = take(1)[0]
            length = number()
            low_bits, unary = Bits(take((count * parameter + 7) // 8)), Bits(take(length))
            places, place = [], -1
            for _ in range(count):
                place += 1 + (unary.zeros() << parameter) + low_bits.field(parameter)
                places.append(place)
        if count and kind:
            codes = Bits(take((count * bits + 7) // 8))
            for place in places:
                code = codes.field(bits)
                value = levels[code & (2 ** (bits - 1) - 1)]
                tensor[place] = -value if code >> (bits - 1) else value
        elif count:
            for place in places:
                (tensor[place],) = struct.unpack("<" + letter, take(struct.calcsize(letter)))
        tensors[name.decode()] = tensor.reshape(shape)
    assert at == len(body)
    return tensors


class TestFormat:
    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    @pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 8, None])
    @pytest.mark.parametrize("levels", ["log", "linear"])
    @pytest.mark.parametrize("ratio", [0.003, 0.2, 1.0])
    def test_a_decoder_written_from_the_page_agrees(
        self, ratio: float, levels: str, bits: int | None, dtype: Any
    ) -> None:
        codec = Compressor(ratio, bits, levels=levels)
        tree = {
            "plain": laplace((7, 100), 0, dtype),
            "plain/clustered": np.repeat(laplace(40, 1), 20).astype(dtype) * np.arange(800) ** 3,
            "zeros": np.zeros((4, 4), dtype),
            "nothing": np.zeros((0, 4), dtype),
            "one": laplace((), 2, dtype).reshape(()),
        }
        message = codec.compress_tree(tree)
        ours, theirs = decompress_tree(message), by_the_page(message)
        assert list(ours) == list(theirs)
        for name, tensor in ours.items():
            assert tensor.dtype == theirs[name].dtype
            assert np.array_equal(tensor, theirs[name])

    @pytest.mark.parametrize("elements", [2, 64, 1000, 1 << 40])
    def test_gaps_come_back_whatever_they_are(self, elements: int) -> None:
        rng = np.random.default_rng(0)
        for count in (1, 2, min(elements - 1, 500)):
            drawn = {0, elements - 1, *rng.integers(0, elements, count).tolist()}
            for places in (sorted(drawn), [elements - 1], [0]):
                found = decode(encode(np.array(places), elements), len(places), elements)
                assert found is not None
                assert found.tolist() == places

    @pytest.mark.parametrize("bits", range(1, 9))
    @pytest.mark.parametrize("count", [0, 1, 7, 8, 1001])
    def test_codes_come_back(self, count: int, bits: int) -> None:
        codes = np.random.default_rng(count).integers(0, 1 << bits, count).astype(np.uint8)
        packed = pack(codes, bits)
        assert len(packed) == -(-count * bits // 8)
        back = unpack(packed, bits, count)
        assert back is not None
        assert np.array_equal(back, codes)

    def test_no_other_parameter_makes_the_gaps_shorter(self) -> None:
        rng = np.random.default_rng(0)
        for count in (1, 30, 1000, 50_000):
            scattered = np.sort(rng.choice(100_000, count, replace=False))
            gathered = np.arange(count) + 40_000
            for places in (scattered, gathered, scattered // 100 * 100 + np.arange(count) % 3):
                places = np.unique(places)
                gaps = np.diff(places, prepend=-1) - 1
                bits = [len(places) * (b + 1) + int((gaps >> b).sum()) for b in range(30)]
                assert bits[encode(places, 100_100).parameter] == min(bits)

    @pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**40])
    def test_numbers_take_seven_bits_a_byte(self, number: int) -> None:
        assert len(varint(number)) == max(1, -(-number.bit_length() // 7))


class TestFigures:
    def test_an_index_costs_little_more_than_its_entropy(self) -> None:
        """The entropy at one per cent is 8.08 bits."""
        rng = np.random.default_rng(0)
        places = np.sort(rng.choice(1_000_000, 10_000, replace=False))
        gaps = encode(places, 1_000_000)
        bits = 8 * (len(gaps.low) + len(gaps.unary)) / len(places)
        assert 7.9 < bits <= 8.15

    def test_one_per_cent_of_bytes_is_a_hundred_and_ninetieth(self) -> None:
        array = laplace(1_000_000)
        message = Compressor(0.01, 8).compress(array)
        back = decompress(message)
        assert np.count_nonzero(back) == 10_000
        assert array.nbytes >= 190 * len(message)

    def test_at_a_hundredth_of_the_bytes_two_per_cent_survive(self) -> None:
        array = laplace((1050, 1000))
        ratio = keep_ratio_for(42_000, array.size, 8)
        message = Compressor(ratio, 8).compress(array)
        assert len(message) <= 42_000
        assert np.count_nonzero(decompress(message)) >= 0.02 * array.size

    def test_small_tensors_pay_small_headers(self) -> None:
        names = [f"transformer.block.{k}.attention.bias" for k in range(50)]
        message = Compressor(0.01).compress_tree({name: laplace(256) for name in names})
        assert len(message) < 50 * 45  # of which 17 are what is new in a name


class TestBudgets:
    @pytest.mark.parametrize("bits", [2, 8, None])
    @pytest.mark.parametrize("ratio", [0.0005, 0.01, 0.1, 0.4, 0.9, 1.0])
    def test_no_message_is_larger_than_said(self, ratio: float, bits: int | None) -> None:
        count = 20_000
        kept = round(ratio * count)
        clustered, even = np.zeros(count), np.zeros(count)
        clustered[-kept:] = laplace(kept) + 1
        even[np.arange(kept) * count // kept] = 1.0
        most = most_message_bytes(count, kept, bits)
        for values in (laplace(count), laplace((20, 1000)), clustered, even):
            message = Compressor(ratio, bits).compress(values.astype(np.float32))
            assert len(message) <= most
        dense = most_message_bytes(count, count - 1, bits, dtype="float64")
        assert len(Compressor((count - 1) / count, bits).compress(np.ones(count))) <= dense

    def test_the_bound_is_near_what_planning_expects(self) -> None:
        for kept in (2_000, 10_000, 50_000):
            expected = float(message_bytes(1_000_000, kept, 8))
            real = len(Compressor(kept / 1_000_000, 8).compress(laplace(1_000_000)))
            assert real == pytest.approx(expected, rel=0.01)
            assert expected < most_message_bytes(1_000_000, kept, 8) < 1.05 * expected

    @pytest.mark.parametrize("bits", [3, None])
    @pytest.mark.parametrize("size", [10, 60, 500, 4000, 1e6])
    def test_the_share_is_the_largest_that_fits(self, size: float, bits: int | None) -> None:
        count = 10_000
        kept = keep_ratio_for(size, count, bits) * count
        assert kept == pytest.approx(round(kept))
        if kept:
            assert most_message_bytes(count, round(kept), bits) <= size
        if kept < count:
            assert most_message_bytes(count, round(kept) + 1, bits) > size
        assert keep_ratio_for(size, 0) == 0.0

    def test_wrong_numbers_are_refused(self) -> None:
        for wrong in ({"kept": 11}, {"kept": -1}, {"bits": 1}, {"dtype": "int8"}):
            with pytest.raises(InputError):
                most_message_bytes(**{"elements": 10, "kept": 1, **wrong})  # type: ignore[arg-type]


def read_or_refuse(message: bytes, limit: int = 1 << 16) -> dict[str, Any] | None:
    """What a message unpacks to, which must be in order; None if it is refused."""
    try:
        tensors = read(message, limit)
    except WireError:
        return None
    assert sum(tensor.elements for tensor in tensors.values()) <= limit
    for tensor in tensors.values():
        assert (np.diff(tensor.places) > 0).all()
        assert np.isfinite(tensor.dense()).all()
        assert tensor.dense().shape == tensor.shape
    return tensors


class TestHostileBytes:
    def test_every_truncation_is_refused(self) -> None:
        for message in messages():
            for length in range(len(message)):
                with pytest.raises(WireError):
                    decompress_tree(message[:length])
                if length > 4:
                    read_or_refuse(stamped(message[:length]))
                    with pytest.raises(WireError):
                        read(stamped(message[: min(length, len(message) - 5)]))

    def test_ten_thousand_mutations_give_an_error_or_the_same(self) -> None:
        rng = np.random.default_rng(0)
        whole = [(message, read(message)) for message in messages()]
        refused = 0
        for trial in range(10_000):
            message, expected = whole[trial % len(whole)]
            found = read_or_refuse(mutated(message, rng))
            if found is None:
                refused += 1
            else:
                assert found.keys() == expected.keys()
                for name, tensor in found.items():
                    assert np.array_equal(tensor.dense(), expected[name].dense())
        assert refused > 9_000

    def test_mutations_with_a_right_checksum_give_an_error_or_a_tensor(self) -> None:
        rng = np.random.default_rng(1)
        bodies = [message[:-4] for message in messages()]
        taken = 0
        for trial in range(20_000):
            body = mutated(bodies[trial % len(bodies)], rng)
            taken += read_or_refuse(stamped(body)) is not None
        assert 500 < taken < 15_000  # both ends are met

    def test_noise_behind_a_right_head_and_checksum(self) -> None:
        rng = np.random.default_rng(2)
        for _ in range(3000):
            body = (
                b"OWCT\x01\x01"
                + rng.integers(0, 256, rng.integers(0, 60)).astype(np.uint8).tobytes()
            )
            read_or_refuse(stamped(body))

    @pytest.mark.parametrize(
        "body",
        {
            "elements": bytes([0, 0, 2, 0, 0, 1]) + varint(2**62) + b"\x00",
            "product": bytes([0, 0, 2, 0, 0, 32]) + varint(2**27) * 32 + b"\x00",
            "product beside zero": bytes([0, 0, 2, 0, 0, 3, 0]) + varint(2**27) * 2 + b"\x00",
            "entries": bytes([0, 0, 2, 2, 8, 1]) + varint(2**27) + varint(2**26) + bytes(40),
            "dense entries": bytes([0, 0, 2, 0, 0, 1]) + varint(2**27) * 2 + bytes(40),
            "gaps": bytes([0, 0, 2, 0, 0, 1]) + varint(2**27) + b"\x01\x00" + varint(2**60),
            "name": bytes([0]) + varint(2**60),
            "dimensions": bytes([0, 0, 2, 0, 0, 255]),
        }.values(),
        ids=str,
    )
    def test_no_memory_is_taken_for_what_is_not_there(self, body: bytes) -> None:
        message = stamped(b"OWCT\x01\x01" + body)
        tracemalloc.start()
        try:
            with pytest.raises(WireError):
                decompress(message)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 1 << 20

    def test_names_do_not_unfold_without_bound(self) -> None:
        tensor = bytes([2, 0, 0, 0, 0])
        head = b"\x00" + varint(500) + b"n" * 500 + tensor
        more = b"".join(
            varint(500) + varint(13) + f"{k:013d}".encode() + tensor for k in range(100)
        )
        with pytest.raises(WireError, match="length of a name"):
            read(stamped(b"OWCT\x01" + varint(101) + head + more))

    def test_larger_tensors_need_leave(self) -> None:
        message = Compressor().compress(np.zeros((1000, 30), np.float32))
        with pytest.raises(WireError, match="elements = 30000: expected at most 29999"):
            decompress(message, max_elements=29_999)
        assert decompress(message, max_elements=30_000).shape == (1000, 30)
        tree = Compressor().compress_tree({"a": np.zeros(600), "b": np.zeros(600)})
        with pytest.raises(WireError, match="600: expected at most 599"):
            decompress_tree(tree, max_elements=1199)
        huge = stamped(b"OWCT\x01\x01" + bytes([0, 0, 2, 0, 0, 1]) + varint(MAX_ELEMENTS + 1))
        with pytest.raises(WireError, match="shape"):
            decompress(huge)

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            (lambda body: b"OWCX" + body[4:], "magic"),
            (lambda body: body[:4] + b"\x02" + body[5:], "version = 2: expected 1"),
            (lambda body: body[:8] + b"\x04" + body[9:], "dtype = 4"),
            (lambda body: body[:9] + b"\x03" + body[10:], "quantiser = 3"),
            (lambda body: body[:9] + b"\x00" + body[10:], "quantiser = 0, 8 bits"),
            (lambda body: body[:10] + b"\x09" + body[11:], "9 bits"),
            (lambda body: body + b"\x00", "end 1 bytes earlier"),
            (lambda body: body[:5] + b"\x81\x00" + body[6:], "leading zeros"),
            (lambda body: body[:5] + b"\x02" + body[6:] + body[6:], "every name once"),
            (lambda body: body[:6] + b"\x00\x01\xff" + body[8:], "UTF-8"),
            (lambda body: body[:15] + struct.pack("<f", np.nan) + body[19:], "levels"),
            (lambda body: body[:15] + struct.pack("<f", -1.0) + body[19:], "levels"),
        ],
    )
    def test_errors_say_what_is_wrong(self, change: Any, match: str) -> None:
        body = Compressor(0.1, 8).compress(laplace(900))[:-4]
        with pytest.raises(WireError, match=match):
            read(stamped(change(body)))

    def test_numbers_that_are_not_finite_are_refused(self) -> None:
        message = Compressor(1.0, None).compress(np.ones(3))
        body = message[:-12] + struct.pack("<d", np.inf)
        with pytest.raises(WireError, match="finite"):
            decompress(stamped(body))

    def test_what_is_no_bytes_is_misuse(self) -> None:
        with pytest.raises(InputError, match="bytes"):
            decompress("OWCT")  # type: ignore[arg-type]
        message = Compressor().compress(laplace(100))
        for same in (bytearray(message), memoryview(message)):
            assert np.array_equal(decompress(same), decompress(message))  # type: ignore[arg-type]


def mutated(message: bytes, rng: np.random.Generator) -> bytes:
    """A few bytes changed, cut out, doubled or put in; the header is met as often as the rest."""
    data = bytearray(message)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(0, len(data) if rng.random() < 0.5 else min(len(data), 40)))
        kind = rng.integers(0, 6)
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            data[at] = int(rng.choice([0, 1, 127, 128, 255]))
        elif kind == 2:
            data[at] = int(rng.integers(0, 256))
        elif kind == 3 and len(data) > 20:
            del data[at : at + int(rng.integers(1, 4))]
        elif kind == 4:
            data[at:at] = data[at : at + 3]
        else:
            data[at:at] = rng.integers(0, 256, 2).astype(np.uint8).tobytes()
    return bytes(data)
