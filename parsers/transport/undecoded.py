"""What every protocol says of captured bytes that it could not decode."""

from dataclasses import dataclass

__all__ = ["Undecoded"]


@dataclass(frozen=True, slots=True)
class Undecoded:
    """Captured bytes that could not be decoded: in which layer, where in the stream, and why.

    `connection` is None for a UDP datagram, which `frame` finds.
    """

    connection: int | None
    sender: int
    layer: str
    position: int
    length: int
    frame: int
    reason: str
