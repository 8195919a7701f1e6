"""All that diagnosis needs and the tables do not hold, picked from the blocks while a capture is decoded."""

from dataclasses import dataclass, field
from functools import cached_property

from analyzer.evidence.conduct import ConductEvidence
from analyzer.evidence.credits import CreditEvidence
from analyzer.evidence.handles import HandleEvidence
from analyzer.evidence.headers import Headers
from analyzer.evidence.health import TcpHealth
from analyzer.evidence.last_messages import LastMessages
from analyzer.evidence.logons import LogonEvidence, LogonExchange
from analyzer.evidence.openings import OpeningEvidence
from analyzer.evidence.operations import OperationEvidence
from analyzer.evidence.seals import SealEvidence
from analyzer.evidence.sequence import SequenceEvidence
from analyzer.evidence.tcp import TcpEvidence
from analyzer.evidence.trees import TreeEvidence
from parsers.capture.packets import PacketBlock
from parsers.pipeline import Decoded
from parsers.smb2.decoder import Batch
from parsers.transport.ip import Segments

__all__ = ["Collector", "Evidence"]


@dataclass(slots=True)
class Collector:
    """A sink of `parsers.pipeline.decode` that gathers what `Evidence` shows.

    Exchanges that are done have to be handed to `operations.watch` by whoever takes them out of the batch.
    """

    tcp: TcpEvidence = field(default_factory=TcpEvidence)
    logons: LogonEvidence = field(default_factory=LogonEvidence)
    handles: HandleEvidence = field(default_factory=HandleEvidence)
    operations: OperationEvidence = field(default_factory=OperationEvidence)
    credits: CreditEvidence = field(default_factory=CreditEvidence)
    last_messages: LastMessages = field(default_factory=LastMessages)
    conduct: ConductEvidence = field(default_factory=ConductEvidence)
    sequence: SequenceEvidence = field(default_factory=SequenceEvidence)
    seals: SealEvidence = field(default_factory=SealEvidence)
    openings: OpeningEvidence = field(default_factory=OpeningEvidence)
    trees: TreeEvidence = field(default_factory=TreeEvidence)

    def __call__(self, block: PacketBlock | None, segments: Segments | None, batch: Batch) -> None:
        """Take one block."""
        for sink in (
            self.tcp, self.logons, self.handles, self.operations, self.credits, self.last_messages, self.seals,
        ):  # fmt: skip
            sink(block, segments, batch)
        headers = Headers(batch)
        for part in (self.conduct, self.sequence, self.openings, self.trees):
            part.take(batch, headers)


class Evidence:
    """What was gathered, when the capture has been read.

    Attributes:
        decoded: the capture.
        handles: CREATEs that ask for durable handles and leases, and breaks.
        operations: LOCK, IOCTL, CHANGE_NOTIFY and CANCEL requests; exchanges that waited or were refused.
        credits: credits over time.
        last_messages: of each direction, to see whether it is whole.
        conduct: messages that break a rule which shows in themselves.
        sequence: MessageIds that break the rules of their window.
        seals: transform headers that break a rule, nonces that come again.
        openings: how connections open; control codes; what is compressed.
        trees: which trees each session uses, by session number and TreeId.
    """

    def __init__(self, collector: Collector, decoded: Decoded) -> None:
        self.decoded = decoded
        self.handles = collector.handles
        self.operations = collector.operations
        self.credits = collector.credits
        self.last_messages = collector.last_messages
        self.conduct = collector.conduct
        self.sequence = collector.sequence
        self.seals = collector.seals
        self.openings = collector.openings
        self.trees = collector.trees.finish()
        self._collector = collector

    @cached_property
    def tcp(self) -> TcpHealth:
        """The health of the TCP connections."""
        connections = self.decoded.connections
        tcp = self._collector.tcp
        return TcpHealth(tcp.marks(connections), tcp.series(connections), tcp.largest(connections), connections)

    @cached_property
    def logons(self) -> list[LogonExchange]:
        """NEGOTIATE, SESSION_SETUP, LOGOFF and TREE exchanges, in order of their requests."""
        return self._collector.logons.exchanges()

    def name(self, number: int) -> str | None:
        """The file name of this number; None for -1."""
        return None if number < 0 else self.decoded.smb2.exchanges.names.names[number]
