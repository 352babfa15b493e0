"""Width checks of transformers: channels per head, and hidden channels of the feed-forward. No torch."""

from __future__ import annotations

from collections.abc import Iterator


def hidden_of(width: int, mlp_ratio: float) -> int:
    """Returns the hidden channels of a block's feed-forward, rounded down."""
    # 1e-6: a ratio that was found as hidden / width must not fall one short by its rounding.
    return int(width * mlp_ratio + 1e-6)


def near_heads(width: int, heads: int) -> str:
    """Returns the numbers of heads next to `heads` that divide `width` channels, as text: "legal near it: 4, 8"."""
    legal = [count for count in range(1, width + 1) if width % count == 0]
    near = [*[count for count in legal if count < heads][-1:], *[count for count in legal if count > heads][:1]]
    return f"legal near it: {', '.join(map(str, near))}"


def width_problems(width: int, heads: int, mlp_ratio: float) -> Iterator[tuple[str, str]]:
    """Yields (field, message) for widths of a network with `embed_dim_ratio` channels a joint: heads must divide them,
    and a feed-forward needs at least one hidden channel."""
    if width % heads:
        yield "heads", f"must divide embed_dim_ratio {width}; {near_heads(width, heads)}"
    if not hidden_of(width, mlp_ratio):
        yield "mlp_ratio", f"leaves no hidden channel of embed_dim_ratio {width}; least: {1 / width:g}"
