"""The order of the stages: captures -> packets -> segments -> streams -> messages -> sessions.

This is the only module that knows it. `decode` runs a capture through and hands each block's messages to the sinks;
what is left at the end is a `Decoded`.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from parsers.capture.open import Captures
from parsers.capture.packets import PacketBlock
from parsers.kdc.decoder import KERBEROS, KdcDecoder
from parsers.keys.store import KeyStore
from parsers.recognise import SMB, UNKNOWN, recognise
from parsers.smb2.decoder import Batch, Smb2Decoder
from parsers.smb2.keying import KeyFinder
from parsers.transport.addresses import AddressBook
from parsers.transport.connections import CLIENT, SERVER, Connection, ConnectionTracker, Delivery
from parsers.transport.ip import SegmentDecoder, Segments
from parsers.transport.undecoded import Undecoded

__all__ = ["Account", "Decoded", "Sink", "decode"]

_LAYERS = {
    "tls": "TLS is not decoded yet",
    "http": "HTTP is not decoded yet",
    "ssh": "SSH is not decoded",
    UNKNOWN: "no protocol was recognised",
}


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the payload bytes of one direction. `captured` is the sum of the next three.

    `gap` bytes were sent and not captured, `snapped` ones were cut off each packet by the capture's snap length.
    `connection` is None for all UDP datagrams that carry `protocol`: other ones are passed over.
    """

    connection: int | None
    sender: int
    protocol: str
    captured: int
    decoded: int
    undecoded: int
    retransmitted: int
    gap: int
    snapped: int


@dataclass(slots=True)
class Decoded:
    """A whole capture, decoded."""

    captures: Captures
    book: AddressBook
    connections: list[Connection]
    protocols: dict[int, str]  # by connection number
    smb2: Smb2Decoder
    kdc: KdcDecoder
    undecoded: list[Undecoded]
    accounts: list[Account]
    passed_over: Counter[str]  # packets that are no TCP segment, by reason
    last_time: int | None


Sink = Callable[[PacketBlock | None, Segments | None, Batch], None]
"""Takes one block's packets, segments and messages; the last call has only messages. Nothing of it may be kept."""


def decode(captures: Captures, keys: KeyStore, sinks: Iterable[Sink] = ()) -> Decoded:
    """Run captures through all stages."""
    return _Run(captures, keys, tuple(sinks)).run()


class _Run:
    def __init__(self, captures: Captures, keys: KeyStore, sinks: tuple[Sink, ...]) -> None:
        self._captures = captures
        self._sinks = sinks
        self._segments = SegmentDecoder()
        self._tracker = ConnectionTracker(self._segments.book)
        self._smb2 = Smb2Decoder(KeyFinder(keys))
        self._kdc = KdcDecoder(keys)
        self._protocols: dict[int, str] = {}
        self._passed: dict[tuple[int, int], list[int]] = {}  # bytes and last frame of what no stage took
        self._last_time: int | None = None

    def run(self) -> Decoded:
        for block in self._captures:
            if len(block) == 0:
                continue
            self._last_time = max(self._last_time or 0, int(block.time.max()))
            segments = self._segments.decode(block)
            self._kdc.feed_datagrams(self._segments.datagrams)
            self._show(block, segments, self._smb2.feed(self._route(self._tracker.feed(segments))))
        # One after the other: the second reuses the memory of the first.
        self._show(None, None, self._smb2.feed(self._route(self._tracker.finish())))
        self._show(None, None, self._smb2.finish())
        self._kdc.finish()
        return self._result()

    def _show(self, block: PacketBlock | None, segments: Segments | None, batch: Batch) -> None:
        for sink in self._sinks:
            sink(block, segments, batch)

    def _route(self, deliveries: list[Delivery]) -> list[Delivery]:
        """What goes to SMB2; a KDC's streams are read at once, everything else is only counted."""
        for delivery in deliveries:
            if self._protocols.get(delivery.connection.number, UNKNOWN) == UNKNOWN:
                self._recognise(delivery, deliveries)
        chosen, kerberos = [], []
        for delivery in deliveries:
            if self._smb2.knows(delivery.connection):
                chosen.append(delivery)
            elif self._protocols.get(delivery.connection.number) == KERBEROS:
                kerberos.append(delivery)
            else:
                passed = self._passed.setdefault((delivery.connection.number, delivery.sender), [0, 0])
                passed[0] += delivery.pieces.size
                passed[1] = int(delivery.pieces.frame[-1])
        self._kdc.feed(kerberos)
        return chosen

    def _recognise(self, delivery: Delivery, deliveries: list[Delivery]) -> None:
        connection = delivery.connection
        found = recognise(delivery.pieces, at_start=int(delivery.pieces.position[0]) == 0)
        if found is None:
            return
        protocol, from_server = found
        self._protocols[connection.number] = protocol
        if protocol == UNKNOWN:
            return
        if not connection.oriented and from_server is not None and from_server != (delivery.sender == SERVER):
            self._swap(connection, deliveries)
        if protocol == SMB:
            self._smb2.add(connection)

    def _swap(self, connection: Connection, deliveries: list[Delivery]) -> None:
        connection.swap()
        for delivery in deliveries:
            if delivery.connection is connection:
                delivery.sender = CLIENT + SERVER - delivery.sender
        number = connection.number
        first, second = self._passed.pop((number, CLIENT), None), self._passed.pop((number, SERVER), None)
        for sender, passed in ((SERVER, first), (CLIENT, second)):
            if passed is not None:
                self._passed[number, sender] = passed

    def _result(self) -> Decoded:
        undecoded = [*self._smb2.ledger.undecoded, *self._kdc.undecoded]
        for (number, sender), (size, frame) in self._passed.items():
            protocol = self._protocols.get(number, UNKNOWN)
            reason = _LAYERS.get(protocol, "before the stream was recognised")
            undecoded.append(Undecoded(number, sender, protocol, 0, size, frame, reason))
        return Decoded(
            self._captures,
            self._segments.book,
            self._tracker.connections,
            self._protocols,
            self._smb2,
            self._kdc,
            undecoded,
            self._accounts(undecoded),
            +self._segments.passed_over,
            self._last_time,
        )

    def _accounts(self, undecoded: list[Undecoded]) -> list[Account]:
        lost: Counter[tuple[int | None, int]] = Counter()
        for row in undecoded:
            lost[row.connection, row.sender] += row.length
        accounts = []
        for connection in self._tracker.connections:
            protocol = self._protocols.get(connection.number, UNKNOWN)
            decoded = self._kdc.decoded if protocol == KERBEROS else self._smb2.ledger.decoded
            for sender, direction in enumerate(connection.directions):
                accounts.append(
                    Account(
                        connection.number,
                        sender,
                        protocol,
                        direction.captured,
                        decoded[connection.number, sender],
                        lost[connection.number, sender],
                        direction.retransmitted,
                        direction.gaps,
                        direction.snapped,
                    )
                )
        return accounts + [
            Account(
                None, sender, KERBEROS, captured, self._kdc.decoded[None, sender], lost[None, sender], 0, 0,
                self._kdc.snapped[sender],
            )
            for sender, captured in sorted(self._kdc.datagrams.items())
        ]  # fmt: skip
