"""Scenario files: one TOML file that states a partition problem and how hard to try.

Tables: ``[model]``, ``[topology]`` (or ``[[nodes]]`` and ``[[links]]``), ``[plan]``, ``[solve]``;
docs/cli.md describes every key. Relative paths start at the file's own folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..formulations import checks
from ..formulations.grouping import merge_chains
from ..formulations.network import Network
from ..formulations.partition import PartitionProblem, Training
from ..formulations.profile import ModelProfile
from .frameworks.models import onnx_package_file, read_file, read_transformer
from .toml_file import read_toml, table_of, within

#: Where the embedded examples stand; they travel in the wheel.
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

TABLES = ("name", "model", "topology", "nodes", "links", "plan", "solve")
MODEL_SOURCES = ("onnx", "onnx_package", "keras", "profile", "preset", "transformer")
#: Suffixes of the files that a source names.
FILES = {"onnx": (".onnx",), "keras": (".keras", ".h5"), "profile": (".json",)}
ONNX_KEYS = ("group", "batch", "dims", "elementwise")
MODEL_KEYS = (*MODEL_SOURCES, *ONNX_KEYS, "name", "merge")
PLAN_KEYS = (
    "objective",
    "input_node",
    "output_node",
    "pinned",
    "forbidden",
    "max_cuts",
    "contiguous",
    "colocated",
    "limits",
    "weights",
    "training",
    "multicast",
    "max_replicas",
)
SOLVE_KEYS = ("time_limit_s", "relative_gap", "backend", "method", "threads", "seed")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A problem read from a file.

    Attributes
    ----------
    name : str
        The file's ``name``, or its stem.
    path : Path
    problem : PartitionProblem
    solve : mapping
        Fields of `SolveOptions` that the file gives.
    """

    name: str
    path: Path
    problem: PartitionProblem
    solve: Mapping[str, Any]


def example_names(command: str = "plan") -> tuple[str, ...]:
    """Names of the embedded examples of a command: plan, passes, schedule or route."""
    return tuple(sorted(path.stem for path in _examples(command).glob("*.toml")))


def example_path(name: str, command: str = "plan") -> Path:
    """Path of an embedded example; an unknown name is an error that offers the nearest."""
    return _examples(command) / f"{checks.known('example', name, example_names(command))}.toml"


def _examples(command: str) -> Path:
    return EXAMPLES if command == "plan" else EXAMPLES / command


def read_scenario(path: str | Path) -> Scenario:
    """Read a scenario file.

    Parameters
    ----------
    path : str or Path
        A TOML file; docs/cli.md describes its keys.

    Returns
    -------
    Scenario

    Raises
    ------
    InputError
        One line that names the file, the field, its value and what was expected.
    ImportError
        If the model's format needs a package that is missing; names the extra.
    OSError
        If a file cannot be read.
    """
    path = Path(path)
    data = read_toml(path, TABLES)
    name = data.get("name", path.stem)
    with within(path, ""):
        for key in ("topology", "plan", "solve"):
            table_of(data, key)
        table_of(data, "model", needed=True)
    with within(path, "model"):
        profile = _model(data["model"], path.parent)
    network = _network(data, path)
    with within(path, "plan"):
        problem = _problem(profile, network, data.get("plan", {}))
    return Scenario(name, path, problem, solve_table(data, path))


def solve_table(data: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Fields of `SolveOptions` that a file's ``[solve]`` gives."""
    with within(path, ""):
        solve = table_of(data, "solve")
    with within(path, "solve"):
        for key in solve:
            checks.known("key", key, SOLVE_KEYS)
    return dict(solve)


def _model(table: Mapping[str, Any], folder: Path) -> ModelProfile:
    for key in table:
        checks.known("key", key, MODEL_KEYS)
    given = [key for key in MODEL_SOURCES if key in table]
    if "transformer" in given and "preset" in given:
        given.remove("preset")
    if len(given) != 1:
        checks.fail("model", given, f"exactly one of {', '.join(MODEL_SOURCES)}")
    source = given[0]
    value = table[source]
    options = {key: table[key] for key in ONNX_KEYS if key in table}
    if options and source not in ("onnx", "onnx_package"):
        checks.fail(next(iter(options)), source, "a model in ONNX (the key is for those)")
    if not isinstance(options.get("dims", {}), dict):
        checks.fail("dims", options["dims"], "a table of names and sizes")
    if source == "transformer":
        if not isinstance(value, dict):
            checks.fail(source, value, "a table of numbers")
        preset = {"preset": table["preset"]} if "preset" in table else {}
        profile = read_transformer({**preset, **value})
    elif source == "preset":
        profile = read_transformer({"preset": value})
    elif source == "onnx_package":
        profile = read_file(onnx_package_file(checks.text(source, value)), **options)
    else:
        path = folder / checks.text(source, value)
        if path.suffix not in FILES[source]:
            checks.fail(source, value, f"a file ending in {' or '.join(FILES[source])}")
        profile = read_file(path, **options)
    if "name" in table:
        profile = profile.replace(name=checks.text("name", table["name"]))
    return merge_chains(profile) if _flag(table, "merge") else profile


def _network(data: Mapping[str, Any], path: Path) -> Network:
    listed = {key: data[key] for key in ("nodes", "links") if key in data}
    with within(path, ""):
        if ("topology" in data) == ("nodes" in data):
            have = [key for key in ("topology", "nodes") if key in data]
            checks.fail("network", have, "either a table [topology] or tables [[nodes]], [[links]]")
        for key, rows in listed.items():
            if not isinstance(rows, list):
                checks.fail(key, rows, f"tables [[{key}]]")
        if "topology" in data and listed:
            checks.fail("links", "[[links]]", "none beside [topology], which makes its own")
        if listed:
            return Network.from_dict(listed)
    with within(path, "topology"):
        return Network.from_topology(data["topology"])


def _problem(profile: ModelProfile, network: Network, table: Mapping[str, Any]) -> PartitionProblem:
    for key in table:
        checks.known("key", key, PLAN_KEYS)
    changes = dict(table)
    for key in ("pinned", "forbidden", "limits", "weights"):
        if not isinstance(changes.get(key, {}), dict):
            checks.fail(key, changes[key], "a table")
    for key in ("contiguous", "multicast"):
        if key in changes:
            _flag(changes, key)
    for key in ("pinned", "forbidden"):
        if key in changes:
            changes[key] = _placements(key, changes[key], profile, network)
    if "colocated" in changes:
        changes["colocated"] = _groups(changes["colocated"], profile)
    training = changes.pop("training", None)
    if training is not None and training is not False:
        changes["training"] = _training(training)
    return PartitionProblem(profile, network, **changes)


def _training(value: Any) -> Training:
    if value is True:
        return Training()
    if not isinstance(value, dict):
        checks.fail("training", value, "true, false or a table")
    for key in value:
        checks.known("training key", key, tuple(Training.__dataclass_fields__))
    return Training(**value)


def _flag(table: Mapping[str, Any], key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        checks.fail(key, value, "true or false")
    return value


def _placements(
    key: str, table: Mapping[str, Any], profile: ModelProfile, network: Network
) -> dict[int, tuple[str, ...]]:
    """Nodes by layer number; a kind ("ground", "orbital") stands for all its nodes."""
    rows: dict[int, tuple[str, ...]] = {}
    for text, value in table.items():
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            checks.fail(f"{key}[{text!r}]", value, "a node's name or a list of names")
        nodes: list[str] = []
        for name in listed:
            of_kind = [node.name for node in network.nodes if node.kind == name]
            is_node = name in network.node_names or not of_kind
            nodes += [name] if is_node else of_kind
        for layer in _layers(f"{key} layer", text, profile):
            rows[layer] = (*rows.get(layer, ()), *nodes)
    return rows


def _groups(value: Any, profile: ModelProfile) -> tuple[tuple[int, ...], ...]:
    if not isinstance(value, list):
        checks.fail("colocated", value, "a list of lists of layers")
    groups = []
    for k, group in enumerate(value):
        if not isinstance(group, list):
            checks.fail(f"colocated[{k}]", group, "a list of layers")
        layers = [i for row in group for i in _layers(f"colocated[{k}]", str(row), profile)]
        groups.append(tuple(layers))
    return tuple(groups)


def _layers(where: str, text: str, profile: ModelProfile) -> range:
    """Layers that a key names: a layer's name, its number, or ``first-last``, both included."""
    names = [layer.name for layer in profile.layers]
    if text in names:
        found = names.index(text)
        return range(found, found + 1)
    numbers = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if numbers is None:
        checks.known(where, text, names)
        return range(0)
    first = int(numbers[1])
    last = first if numbers[2] is None else int(numbers[2])
    if not first <= last < profile.num_layers:
        checks.fail(where, text, f"layers between 0 and {profile.num_layers - 1}")
    return range(first, last + 1)
