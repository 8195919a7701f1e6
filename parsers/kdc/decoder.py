"""The KDC stage: what TCP connections and UDP deliver -> exchanges, and an account of every byte of them."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from parsers.errors import ParseError
from parsers.gss import der
from parsers.gss.kerberos import kdc
from parsers.gss.kerberos.kdc import KdcReply, KdcRequest
from parsers.gss.kerberos.messages import KrbError
from parsers.gss.kerberos.names import MessageType
from parsers.kdc.exchanges import Exchanges, Path
from parsers.kdc.framing import Record, RecordStream, find_datagrams
from parsers.kdc.lifetimes import LifetimeReader
from parsers.keys.store import KeyStore
from parsers.transport.connections import CLIENT, SERVER, Connection, Delivery, Endpoint
from parsers.transport.udp import Datagrams
from parsers.transport.undecoded import Undecoded

__all__ = ["KERBEROS", "KdcDecoder"]

KERBEROS = "kerberos"

_REQUESTS = (der.application(MessageType.AS_REQ), der.application(MessageType.TGS_REQ))


class KdcDecoder:
    """Reads what is exchanged with KDCs.

    Attributes:
        exchanges: what was asked and answered.
        undecoded: bytes that are no message, and why.
        decoded: bytes of messages, by number of the connection (None is UDP) and sender.
        datagrams: bytes of UDP that were captured, by sender.
        snapped: bytes of UDP that the snap length cut off, likewise.
    """

    def __init__(self, keys: KeyStore) -> None:
        self.exchanges = Exchanges(LifetimeReader(keys))
        self.undecoded: list[Undecoded] = []
        self.decoded: Counter[tuple[int | None, int]] = Counter()
        self.datagrams: Counter[int] = Counter()
        self.snapped: Counter[int] = Counter()
        self._streams: defaultdict[tuple[int, int], RecordStream] = defaultdict(RecordStream)

    def feed(self, deliveries: Sequence[Delivery]) -> None:
        """Take what connections that carry Kerberos deliver in one block, in the order of time."""
        records = [
            (delivery.connection, delivery.sender, record)
            for delivery in deliveries
            for record in self._streams[delivery.connection.number, delivery.sender].feed(delivery.pieces)
        ]
        for connection, sender, record in sorted(records, key=lambda entry: entry[2].last_frame):
            self._decode(_path(connection), sender, record)

    def feed_datagrams(self, tables: Sequence[Datagrams]) -> None:
        """Take the messages among the datagrams of one block."""
        for table, row, record in find_datagrams(tables):
            source = Endpoint(int(table.source[row]), int(table.source_port[row]))
            destination = Endpoint(int(table.destination[row]), int(table.destination_port[row]))
            sender = CLIENT if record.data[0] in _REQUESTS else SERVER
            client, server = (source, destination) if sender == CLIENT else (destination, source)
            self.datagrams[sender] += record.length
            self.snapped[sender] += record.missing
            self._decode(Path(None, client, server), sender, record)

    def finish(self) -> None:
        """The capture has ended."""
        for (number, sender), stream in self._streams.items():
            stream.finish()
            self.undecoded += [Undecoded(number, sender, KERBEROS, *skipped) for skipped in stream.skipped]
        self.exchanges.finish()

    def _decode(self, path: Path, sender: int, record: Record) -> None:
        try:
            if record.missing:
                raise ParseError("cut by the snap length of the capture")
            message = kdc.parse(record.data)
        except ParseError as error:
            place = (record.position, record.length, record.last_frame)
            self.undecoded.append(Undecoded(path.connection, sender, KERBEROS, *place, error.reason))
            return
        self.decoded[path.connection, sender] += record.length
        if isinstance(message, KdcRequest | KdcReply | KrbError):
            self.exchanges.add(path, record, message)


def _path(connection: Connection) -> Path:
    return Path(connection.number, connection.client, connection.server)
