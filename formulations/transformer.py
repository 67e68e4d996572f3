"""Decoder-only transformers from their numbers: Llama-like blocks as a chain of layers.

The formulas count parameters, bytes and FLOPs of an embedding, `layers` identical decoder blocks
(attention with grouped queries, then a feed-forward network, each behind a norm) and a head (final
norm and output projection).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from . import checks
from .profile import LayerProfile, ModelProfile

#: Bytes of one number, by dtype name.
DTYPE_BYTES: Mapping[str, float] = MappingProxyType(
    {
        "float64": 8.0,
        "float32": 4.0,
        "bfloat16": 2.0,
        "float16": 2.0,
        "float8": 1.0,
        "int8": 1.0,
        "int4": 0.5,
    }
)

#: Published models, ready for ``ModelProfile.transformer(**LLAMA_2_70B)``.
LLAMA_2_7B: Mapping[str, Any] = MappingProxyType(
    {
        "layers": 32,
        "hidden": 4096,
        "heads": 32,
        "ffn": 11008,
        "vocabulary": 32000,
        "context": 4096,
        "name": "Llama-2-7B",
    }
)
LLAMA_2_70B: Mapping[str, Any] = MappingProxyType(
    {
        "layers": 80,
        "hidden": 8192,
        "heads": 64,
        "kv_heads": 8,
        "ffn": 28672,
        "vocabulary": 32000,
        "context": 4096,
        "name": "Llama-2-70B",
    }
)

#: Token identifiers travel as 32-bit integers.
TOKEN_BYTES = 4


def transformer(
    *,
    layers: int,
    hidden: int,
    heads: int,
    ffn: int,
    vocabulary: int,
    context: int,
    kv_heads: int | None = None,
    head_dim: int | None = None,
    tokens: int | None = None,
    batch: int = 1,
    dtype: str = "float16",
    weight_dtype: str | None = None,
    cache_dtype: str | None = None,
    gated: bool = True,
    tied_embeddings: bool = False,
    norm: str = "rms",
    bias: bool = False,
    learned_positions: int = 0,
    logits: str = "last",
    name: str = "transformer",
) -> ModelProfile:
    """Profile a decoder-only transformer from its numbers.

    One request is a batch of `batch` sequences with `tokens` new tokens each. The default,
    ``tokens=context``, is the prefill of a full context; ``tokens=1`` is one decoding step against
    a cache that holds `context` positions.

    Parameters
    ----------
    layers, hidden, heads, ffn, vocabulary : int
        Decoder blocks, width of the residual stream, query heads, width of the feed-forward
        network, and number of tokens in the vocabulary.
    context : int
        Positions that attention sees and that the cache is sized for.
    kv_heads : int, optional
        Key and value heads (grouped-query attention); as many as `heads` unless given.
    head_dim : int, optional
        Width of one head; ``hidden / heads`` unless given.
    tokens : int, optional
        New tokens per sequence and request, at most `context` (the default).
    batch : int
        Sequences in one request.
    dtype : str
        Type of weights, activations and cache: a key of `DTYPE_BYTES`.
    weight_dtype, cache_dtype : str, optional
        Where weights (quantised, say) or the cache have another type.
    gated : bool
        Feed-forward with a gate (three matrices, as in Llama) or without (two).
    tied_embeddings : bool
        Whether the head shares the embedding's matrix. It is counted once, in the embedding; a
        plan that separates the two should count a second copy.
    norm : {"rms", "layer"}
        RMS norm has a scale, layer norm a scale and a shift.
    bias : bool
        Whether the projections of the blocks have a bias (GPT-2); the head has none.
    learned_positions : int
        Rows of a learned position table (GPT-2); 0 for rotary positions.
    logits : {"last", "all"}
        Positions for which the head runs: the last of each sequence (generation) or all of the
        new ones (scoring).
    name : str
        Name of the profile.

    Returns
    -------
    ModelProfile
        A chain ``embedding, block.0, ..., head`` of ``layers + 2`` layers. `state_bytes` of a block
        is its KV cache: ``2 * kv_heads * head_dim * context * batch`` numbers.

    Raises
    ------
    InputError
        If a number is not positive, `kv_heads` does not divide `heads`, `heads` does not divide
        `hidden` (without `head_dim`), or a name is unknown.

    Notes
    -----
    FLOPs are those of the matrix products, as PyTorch's own counter counts them: 2 per weight and
    token, and ``4 * tokens * context * heads * head_dim`` per sequence for the scores and their
    product with the values, the masked half included. Norms, activations and the embedding's
    look-up are left out: under one FLOP in a thousand at these widths.

    Sources: Touvron et al., "Llama 2" (2023); Shazeer, "GLU variants improve transformer" (2020);
    Ainslie et al., "GQA" (2023).

    Examples
    --------
    >>> transformer(**LLAMA_2_70B).total_params
    68976648192
    """
    sizes = {
        "layers": layers,
        "hidden": hidden,
        "heads": heads,
        "ffn": ffn,
        "vocabulary": vocabulary,
        "context": context,
        "batch": batch,
    }
    for field, value in sizes.items():
        checks.whole(f"transformer.{field}", value, low=1)
    kv_heads = heads if kv_heads is None else checks.whole("transformer.kv_heads", kv_heads, low=1)
    if heads % kv_heads:
        checks.fail("transformer.kv_heads", kv_heads, f"a divisor of heads = {heads}")
    if head_dim is None:
        if hidden % heads:
            checks.fail(
                "transformer.heads", heads, f"a divisor of hidden = {hidden}, or a head_dim"
            )
        head_dim = hidden // heads
    checks.whole("transformer.head_dim", head_dim, low=1)
    tokens = context if tokens is None else checks.whole("transformer.tokens", tokens, low=1)
    if tokens > context:
        checks.fail("transformer.tokens", tokens, f"at most context = {context}")
    checks.whole("transformer.learned_positions", learned_positions)
    checks.known("transformer.norm", norm, ("rms", "layer"))
    checks.known("transformer.logits", logits, ("last", "all"))
    number_bytes = _width("dtype", dtype)
    weight_width = _width("weight_dtype", weight_dtype or dtype)
    cache_width = _width("cache_dtype", cache_dtype or dtype)

    query, key = heads * head_dim, kv_heads * head_dim
    inward = 3 if gated else 2
    matrices = hidden * (2 * query + 2 * key) + inward * hidden * ffn
    biases = (query + 2 * key + hidden) + (inward - 1) * ffn + hidden if bias else 0
    norm_size = hidden if norm == "rms" else 2 * hidden
    block_params = matrices + biases + 2 * norm_size
    positions = batch * tokens
    stream_bytes = positions * hidden * number_bytes
    block_flops = 2.0 * matrices * positions + 4.0 * batch * tokens * context * query
    cache_bytes = 2 * key * context * batch * cache_width

    table = (vocabulary + learned_positions) * hidden
    head_params = norm_size + (0 if tied_embeddings else vocabulary * hidden)
    head_positions = batch if logits == "last" else positions
    logit_bytes = head_positions * vocabulary * number_bytes
    rows = [LayerProfile("embedding", table, table * weight_width, 0, stream_bytes, 0, "Embedding")]
    rows += [
        LayerProfile(
            f"block.{k}",
            block_params,
            block_params * weight_width,
            block_flops,
            stream_bytes,
            cache_bytes,
            "DecoderBlock",
        )
        for k in range(layers)
    ]
    rows.append(
        LayerProfile(
            "head",
            head_params,
            head_params * weight_width,
            2.0 * vocabulary * hidden * head_positions,
            logit_bytes,
            0,
            "Head",
        )
    )
    return ModelProfile(
        layers=tuple(rows),
        input_bytes=positions * TOKEN_BYTES,
        output_bytes=logit_bytes,
        name=name,
    )


def _width(field: str, dtype: str) -> float:
    return DTYPE_BYTES[checks.known(f"transformer.{field}", dtype, tuple(DTYPE_BYTES))]
