"""Models by name: what a scenario or the command line calls a model, read into a profile.

A model is a file (``.onnx``, ``.json``, ``.keras``), ``preset:NAME`` (a published transformer),
``transformer:key=value,...`` (one from its numbers) or ``onnx:NAME`` (a graph that the installed
`onnx` package carries in its backend test data).
"""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...formulations import checks
from ...formulations import transformer as transformers
from ...formulations.profile import ModelProfile
from .keras_profile import read_tensorflow
from .onnx_profile import read_onnx

#: Published transformers, for ``transformer(**PRESETS[name])``.
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "llama-2-7b": transformers.LLAMA_2_7B,
        "llama-2-70b": transformers.LLAMA_2_70B,
    }
)

#: Files that `read_file` takes, and what reads each.
SUFFIXES = (".onnx", ".json", ".keras", ".h5")


def read_model(text: str, folder: str | Path = ".") -> ModelProfile:
    """Read the model that a short text names.

    Parameters
    ----------
    text : str
        A path, ``preset:NAME``, ``transformer:key=value,...`` (``transformer:preset=NAME,...``
        changes numbers of a preset; ``transformer:NAME`` is the preset) or ``onnx:NAME``.
    folder : str or Path
        Where relative paths start.

    Returns
    -------
    ModelProfile

    Raises
    ------
    InputError
        If the name is unknown, the file is of another kind, or what it holds is no model.
    ImportError
        If the package that reads a format is missing; names the extra.
    OSError
        If the file cannot be read.
    """
    sort, colon, rest = text.partition(":")
    if colon and sort == "preset":
        return read_transformer({"preset": rest})
    if colon and sort == "transformer":
        return read_transformer(_numbers(rest))
    if colon and sort == "onnx":
        return read_onnx(onnx_package_file(rest))
    return read_file(Path(folder) / text)


def read_file(path: str | Path, **options: Any) -> ModelProfile:
    """Read an ONNX file (`options` are those of `read_onnx`), a Keras file or a profile in JSON."""
    path = Path(path)
    if path.suffix not in SUFFIXES:
        expected = (
            f"a file ending in {', '.join(SUFFIXES)}, preset:NAME, transformer:... or onnx:NAME"
        )
        checks.fail("model", str(path), expected)
    if not path.is_file():
        # Say so here: a missing file should read the same whatever reader would open it.
        raise FileNotFoundError(f"model = {str(path)!r}: expected a file that exists")
    if path.suffix == ".json":
        try:
            return ModelProfile.from_json(path)
        except UnicodeDecodeError as error:
            checks.fail(str(path), f"byte {error.start}", "JSON in UTF-8")
    if path.suffix == ".onnx":
        return read_onnx(path, **options)
    return read_tensorflow(path)


def read_transformer(numbers: Mapping[str, Any]) -> ModelProfile:
    """Build a transformer from its numbers, those of a preset unless given."""
    given = dict(numbers)
    preset: Mapping[str, Any] = {}
    if "preset" in given:
        name = checks.text("preset", given.pop("preset"))
        preset = PRESETS[checks.known("preset", name, tuple(PRESETS))]
    signature = inspect.signature(transformers.transformer).parameters
    for key in given:
        checks.known("transformer key", key, (*signature, "preset"))
    given = {**preset, **given}
    for key, parameter in signature.items():
        if parameter.default is inspect.Parameter.empty and key not in given:
            checks.fail(f"transformer.{key}", None, "a whole number >= 1 (the key is missing)")
    return transformers.transformer(**given)


def onnx_package_file(name: str) -> Path:
    """Path of a graph in the backend test data of the installed `onnx` package.

    Raises
    ------
    InputError
        If it holds no such graph; names the nearest.
    ImportError
        If `onnx` is not installed; names the extra.
    """
    found = importlib.util.find_spec("onnx")
    if found is None or found.origin is None:
        raise ImportError(f"model onnx:{name} needs onnx: pip install 'orbweave[onnx]'")
    folder = Path(found.origin).parent / "backend" / "test" / "data" / "light"
    names = sorted(path.stem for path in folder.glob("*.onnx"))
    return folder / f"{checks.known('onnx graph', name, names)}.onnx"


def _numbers(text: str) -> dict[str, Any]:
    """Read ``key=value,...``; a text without a key names a preset."""
    rows: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            key, value = "preset", part
        rows[key.strip()] = _value(value.strip())
    return rows


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
