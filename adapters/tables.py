"""Tables for a terminal: a plan, and a profile, as text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from ..formulations.partition.breakdown import break_down
from ..formulations.partition.solution import UNITS, Partition
from ..formulations.profile import ModelProfile

#: How each part of a latency is called in a table.
PART_NAMES = {
    "ground_compute_s": "ground compute",
    "orbital_compute_s": "orbital compute",
    "uplink_s": "uplink",
    "downlink_s": "downlink",
    "isl_s": "inter-satellite links",
    "terrestrial_s": "terrestrial links",
    "propagation_s": "propagation",
}


def quantity(value: float, unit: str, digits: int = 4) -> str:
    """Format a number with an SI prefix: ``quantity(0.0123, "s") == "12.3 ms"``.

    `digits` are significant; bytes and counts take no prefix below one, seconds none above.
    """
    if not math.isfinite(value):
        return f"{value:g} {unit}".strip()
    small = unit in ("s", "J")
    scales = (
        [(1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n")]
        if small
        else [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")]
    )
    if unit == "s":
        scales = scales[3:]
    if value == 0:
        return f"0 {unit}".strip()
    scale, prefix = next((row for row in scales if abs(value) >= row[0] * 0.99995), scales[-1])
    return f"{value / scale:.{digits}g} {prefix}{unit}".strip()


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> str:
    """Lay out rows in columns; `right` has an ``r`` at each column to be set flush right."""
    table = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[k]) for row in table) for k in range(len(header))]
    lines = []
    for row in table:
        cells = [
            cell.rjust(width) if right[k : k + 1] == "r" else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def profile_text(profile: ModelProfile, limit: int | None = None) -> str:
    """Table of a profile's layers with totals; at most `limit` rows, the middle left out."""
    count = profile.num_layers
    shown: list[int | None] = list(range(count))
    if limit is not None and count > limit:
        head = (limit + 1) // 2
        shown = [*range(head), None, *range(count - (limit - head), count)]
    rows = []
    for i in shown:
        if i is None:
            rows.append(["...", f"({count - limit} more)" if limit else "", *[""] * 6])
            continue
        layer = profile.layers[i]
        rows.append(
            [
                str(i),
                _short(layer.name),
                _short(layer.kind, 18),
                quantity(layer.params, ""),
                quantity(layer.weight_bytes, "B"),
                quantity(layer.flops, "FLOP"),
                quantity(layer.activation_bytes, "B"),
                quantity(layer.state_bytes, "B"),
            ]
        )
    header = ["#", "layer", "kind", "params", "weights", "work", "output", "state"]
    return f"{profile_line(profile)}\n\n{text_table(header, rows, 'r  rrrrr')}"


def profile_line(profile: ModelProfile) -> str:
    """One line of totals."""
    shape = "a chain of" if profile.is_chain else f"{len(profile.edge_array)} edges between"
    return (
        f"{profile.name}: {shape} {profile.num_layers} layers, "
        f"{profile.total_params:,} parameters, {quantity(profile.memory_mb * 1e6, 'B')} in memory, "
        f"{quantity(profile.total_flops, 'FLOP')} per request"
    )


def plan_text(partition: Partition) -> str:
    """Tables of a plan: layers by node, cut points, where the latency goes, every objective."""
    problem = partition.problem
    nodes = problem.network.nodes
    kinds = Counter(node.kind for node in nodes)
    network = " and ".join(f"{kinds[kind]} {kind}" for kind in ("ground", "orbital") if kinds[kind])
    ends = ""
    if problem.input_node is not None:
        ends += f", input at {problem.input_node}"
    if problem.output_node is not None:
        ends += f", output at {problem.output_node}"
    parts = [
        f"{profile_line(problem.profile)}\n{network} nodes{ends}",
        _node_table(partition),
        _transfer_table(partition),
        _latency_table(partition),
        _objective_table(partition),
    ]
    broken = partition.violations()
    if broken:
        parts.append("violations\n" + "\n".join(f"  {line}" for line in broken))
    return "\n\n".join(part for part in parts if part)


def _node_table(partition: Partition) -> str:
    problem, result = partition.problem, partition.evaluation
    layers, index = problem.profile.layers, problem.network.index
    replicas = partition.replicas or [(name,) for name in partition.node_of_layer]
    rows = []
    used: set[str] = set()
    for name, first, last in partition.segments:
        node = problem.network.nodes[index(name)]
        span = f"{first}" if first == last else f"{first}-{last}"
        names = layers[first].name
        if last > first:
            names = f"{_short(names, 22)} .. {_short(layers[last].name, 22)}"
        together = replicas[first]
        where = name if len(together) == 1 else f"{name} (x{len(together)})"
        repeated = name in used
        used |= set(together)
        k = index(name)
        rows.append(
            [
                where,
                node.kind,
                span,
                str(last - first + 1),
                names,
                "" if repeated else quantity(float(result.node_load_s[k]), "s"),
                "" if repeated else _memory(float(result.memory_bytes[k]), node.memory_bytes),
            ]
        )
    idle = [node.name for node in problem.network.nodes if node.name not in used]
    header = ["node", "kind", "layers", "count", "from .. to", "busy", "memory"]
    text = text_table(header, rows, "   r r ")
    if idle:
        shown = ", ".join(idle[:8]) + (f" and {len(idle) - 8} more" if len(idle) > 8 else "")
        text += f"\nnot used: {shown}"
    return text


def _transfer_table(partition: Partition, limit: int = 16) -> str:
    """Everything that changes nodes: the input, the cut edges, the output."""
    problem, costs = partition.problem, partition.problem.costs()
    layers, node = problem.profile.layers, partition.node_of_layer
    count = len(layers)
    moves: list[tuple[str, str, int, str, str]] = []
    if problem.input_node is not None:
        start = problem.input_node
        moves += [(f"input -> {i}", "", count, start, node[i]) for i in problem.profile.sources]
    for i, j in partition.cut_edges:
        moves.append((f"{i} -> {j}", _short(layers[i].name), i, node[i], node[j]))
    if problem.output_node is not None:
        for i in problem.profile.sinks:
            name = _short(layers[i].name)
            moves.append((f"{i} -> output", name, count + 1, node[i], problem.output_node))
    rows = []
    for label, name, tensor, source, target in moves:
        if source == target:
            continue
        ends = (problem.network.index(source), problem.network.index(target))
        hops = costs.routes.links(tensor, *ends)
        rows.append(
            [
                label,
                name,
                " -> ".join([source, *[problem.network.links[k].target for k in hops]]),
                quantity(float(costs.sizes_bytes[tensor]), "B"),
                quantity(float(costs.way_s[tensor, *ends]), "s"),
            ]
        )
    points = ", ".join(map(str, partition.cut_points)) or "none"
    head = f"cut points: {points if len(points) < 100 else f'{len(partition.cut_points)} layers'}"
    if not rows:
        return head
    header = ["transfer", "after layer", "route", "bytes", "time"]
    text = f"{head}\n{text_table(header, rows[:limit], 'r  rr')}"
    return text + (f"\n... and {len(rows) - limit} more" if len(rows) > limit else "")


def _latency_table(partition: Partition) -> str:
    total = partition.evaluation.latency
    if not math.isfinite(total):
        return ""
    parts = break_down(partition).parts
    rows = [
        [PART_NAMES[name], quantity(value, "s"), f"{value / total:.1%}" if total else ""]
        for name, value in parts.items()
        if value > 0
    ]
    rows.append(["total", quantity(total, "s"), "100.0%" if total else ""])
    return text_table(["latency (critical path)", "time", "share"], rows, " rr")


def _objective_table(partition: Partition) -> str:
    problem = partition.problem
    notes = {
        "latency": "one step" if problem.training else "one request, end to end",
        "bandwidth": "per request over "
        + ("ground-orbit links" if problem.network.is_mixed else "links"),
        "energy": "per request",
        "throughput": "per request at the bottleneck",
    }
    rate = partition.values["throughput"]
    if 0 < rate < math.inf:
        notes["throughput"] += f" = {1 / rate:.4g} requests/s"
    rows = []
    for name, value in partition.values.items():
        marks = ["minimised"] if name == problem.objective else []
        if problem.objective == "balance" and name in problem.balance_weights:
            marks.append(f"weight {problem.balance_weights[name]:.3g}")
        if name in problem.limits:
            marks.append(f"limit {quantity(problem.limits[name], UNITS[name])}")
        rows.append([name, quantity(value, UNITS[name]), notes[name], ", ".join(marks)])
    if problem.objective == "balance":
        total = f"{partition.objective:.6g}" if problem.reference is not None else ""
        rows.append(["balance", total, "weighted sum, each over its own optimum", "minimised"])
    return text_table(["objective", "value", "", ""], rows, " r")


def _memory(used: float, room: float) -> str:
    if math.isinf(room):
        return quantity(used, "B")
    share = f" ({used / room:.0%})" if room else ""
    return f"{quantity(used, 'B')} of {quantity(room, 'B')}{share}"


def _short(text: str, width: int = 32) -> str:
    return text if len(text) <= width else f"{text[: width // 2 - 2]}...{text[-(width // 2 - 1) :]}"
