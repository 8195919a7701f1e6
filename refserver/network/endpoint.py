"""One end of a TCP connection (RFC 9293): handshake, data, FIN and RST, in virtual time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from parsers.transport.ip import ACK, FIN, RST, SYN
from refserver.network.frames import PSH, Segment, Socket, syn_options
from refserver.network.receiver import Receiver
from refserver.network.sender import Sender, TcpSettings
from refserver.network.simulation import SECOND, Simulation
from refserver.timers import Timer

__all__ = ["Application", "Endpoint", "Lost"]

_MODULUS = 1 << 32
_TIME_WAIT = 60 * SECOND
_MAX_UNSCALED = 0xFFFF


class Lost(Enum):
    """Why a connection ended without a FIN of the peer."""

    RESET = auto()
    TIMEOUT = auto()


class _State(Enum):
    SYN_SENT = auto()
    SYN_RECEIVED = auto()
    ESTABLISHED = auto()
    CLOSED = auto()


class Application(Protocol):
    """Who uses a connection."""

    def connected(self) -> None:
        """The handshake is complete."""
        ...

    def received(self, data: bytes, /) -> None:
        """The peer has sent this."""
        ...

    def ended(self) -> None:
        """The peer has sent everything (FIN)."""
        ...

    def lost(self, why: Lost, /) -> None:
        """The connection is gone."""
        ...


@dataclass(slots=True, eq=False)
class Deadline:
    """A timer that is moved often: the appointment in the heap stays, and is renewed when it comes too early."""

    simulation: Simulation
    action: Callable[[int], None]
    at: int | None = None
    _timer: Timer | None = field(default=None, init=False)
    _appointed: int = field(default=0, init=False)

    def set(self, at: int) -> None:
        """Call the action at `at`, and not at what was set before."""
        self.at = at
        if self._timer is not None and self._appointed > at:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._appoint(at)

    def clear(self) -> None:
        """Do not call it."""
        self.at = None

    def _appoint(self, at: int) -> None:
        self._timer, self._appointed = self.simulation.timers.at(at, self._due), at

    def _due(self, now: int) -> None:
        self._timer = None
        if self.at is not None and self.at > now:
            self._appoint(self.at)
        elif self.at is not None:
            self.at = None
            self.action(now)


class Endpoint:
    """One end. `connection` is the network's number of the connection, the same at both ends.

    Args:
        simulation: clock.
        settings: of the host.
        local: own socket.
        remote: the peer's socket.
        connection: the number.
        initial: own initial sequence number.
        transmit: how a segment gets on its way.
        forget: called when the connection is over and the host need not know it any longer.
    """

    def __init__(
        self,
        simulation: Simulation,
        settings: TcpSettings,
        local: Socket,
        remote: Socket,
        connection: int,
        initial: int,
        transmit: Callable[[Segment], None],
        forget: Callable[["Endpoint"], None],
    ) -> None:
        self.local, self.remote, self.connection = local, remote, connection
        self.application: Application | None = None
        self.reading = True
        self._simulation, self._settings = simulation, settings
        self._transmit, self._forget = transmit, forget
        self._initial, self._peer_initial = initial, 0
        self._state = _State.SYN_SENT
        self._sender = Sender(settings)
        self._receiver = Receiver(settings.receive_buffer, settings.window_scale)
        self._scale, self._peer_scale = settings.window_scale, 0
        self._offered = 0
        self._unacknowledged_segments = 0
        self._gone = False  # the application has closed: what still comes has nobody to go to
        self._told_end = False
        self._syn_sent_at = 0
        self._retransmission = Deadline(simulation, self._retransmit)
        self._acknowledgment = Deadline(simulation, lambda _: self._acknowledge())

    @property
    def written(self) -> int:
        """Bytes that the application has sent so far: the offset of what it sends next."""
        return self._sender.end

    @property
    def delivered(self) -> int:
        """Bytes that were received in order, those that wait for the application included."""
        return self._receiver.next

    @property
    def open(self) -> bool:
        """Whether both directions can still be used."""
        return self._state is _State.ESTABLISHED and not self._gone and not self._receiver.finished

    def connect(self) -> None:
        """Begin the handshake."""
        self._syn_sent_at = self._simulation.now
        self._send_syn(SYN)

    def answer(self, syn: Segment) -> None:
        """A SYN came for a port that is listened on."""
        self._state = _State.SYN_RECEIVED
        self._take_syn(syn)
        self._syn_sent_at = self._simulation.now
        self._send_syn(SYN | ACK)

    def send(self, data: bytes) -> None:
        """Append to the stream; it goes out as the windows allow."""
        if self._state is not _State.CLOSED and not self._gone:
            self._sender.write(data)
            self._push()

    def pause(self) -> None:
        """The application reads no longer: the buffer fills, and then the window is closed."""
        self.reading = False

    def resume(self) -> None:
        """The application reads again."""
        self.reading = True
        if self._state is _State.CLOSED:
            return
        closed_before = self._offered < 2 * self._settings.mss
        self._deliver()
        if closed_before and self._state is _State.ESTABLISHED:
            self._acknowledge()  # a window update

    def close(self) -> None:
        """Send what is left and a FIN; who sends more after that gets a RST."""
        if self._state in (_State.SYN_SENT, _State.CLOSED):
            self.vanish()
            return
        self._gone = True
        self._sender.close()
        self._push()

    def abort(self) -> None:
        """Send a RST and forget everything."""
        if self._state not in (_State.SYN_SENT, _State.CLOSED):
            self._emit(self._sender.next, b"", RST | ACK)
        self.vanish()

    def vanish(self) -> None:
        """Forget everything without a word, as a host does that lost its power."""
        self._state = _State.CLOSED
        self._gone = True
        self._retransmission.clear()
        self._acknowledgment.clear()
        self._forget(self)

    def receive(self, segment: Segment) -> None:
        """A segment has arrived."""
        if segment.flags & RST:
            self._reset(segment)
        elif segment.flags & SYN:
            self._receive_syn(segment)
        elif self._state is _State.SYN_SENT:
            return  # an old one
        elif self._state is _State.CLOSED:
            self._linger(segment)
        else:
            self._receive_data(segment)

    def _reset(self, segment: Segment) -> None:
        if self._state is _State.SYN_SENT and segment.acknowledgment != (self._initial + 1) % _MODULUS:
            return
        self._lose(Lost.RESET)

    def _linger(self, segment: Segment) -> None:
        """Both ends have finished; if the last acknowledgment was lost, the FIN comes again."""
        if segment.flags & FIN:
            self._acknowledge()

    def _receive_syn(self, segment: Segment) -> None:
        if self._state is _State.SYN_SENT and segment.flags & ACK:
            self._take_syn(segment)
            self._established()
            self._acknowledge()
            self._tell_connected()
        elif self._state is _State.SYN_RECEIVED:
            self._send_syn(SYN | ACK)  # the answer was lost
        else:
            self._acknowledge()

    def _take_syn(self, segment: Segment) -> None:
        self._peer_initial = segment.sequence
        mss = int.from_bytes(segment.options[2:4], "big")
        self._peer_scale = segment.options[7]
        self._sender.agree(mss, segment.window)  # the window is not scaled in a SYN (RFC 7323 2.2)

    def _established(self) -> None:
        self._state = _State.ESTABLISHED
        self._retransmission.clear()
        if self._sender.retries == 0:
            self._sender.measured(self._simulation.now - self._syn_sent_at)
        self._sender.retries = 0

    def _tell_connected(self) -> None:
        if self.application is not None:
            self.application.connected()

    def _receive_data(self, segment: Segment) -> None:
        came_up = self._state is _State.SYN_RECEIVED
        if came_up:
            self._established()
        offset = self._receiver.next + _signed(segment.sequence - self._own_acknowledgment(self._receiver.next))
        fin = bool(segment.flags & FIN)
        fresh = segment.payload and offset + len(segment.payload) > self._receiver.next
        if self._gone and fresh:
            self.abort()  # RFC 9293 3.10.7.1: there is nobody left to read it
            return
        self._take_acknowledgment(segment, bare=not segment.payload and not fin)
        if came_up:
            self._tell_connected()
        if segment.payload or fin or offset < self._receiver.next:
            self._take_payload(offset, segment.payload, fin=fin)
        self._push()
        self._end_if_over()

    def _take_acknowledgment(self, segment: Segment, *, bare: bool) -> None:
        sender = self._sender
        expected = sender.unacknowledged
        offset = expected + _signed(segment.acknowledgment - (self._initial + 1 + expected))
        if sender.acknowledged(offset, segment.window << self._peer_scale, self._simulation.now, bare=bare):
            self._emit_data(*sender.first_again())
            self._retransmission.set(self._simulation.now + sender.rto)
        elif sender.unacknowledged > expected:
            self._rearm()

    def _take_payload(self, offset: int, payload: bytes, *, fin: bool) -> None:
        had_gap = self._receiver.has_gap
        grown = self._receiver.accept(offset, payload, fin=fin)
        self._unacknowledged_segments += 1
        at_once = not grown or had_gap or fin or self._unacknowledged_segments >= 2
        if at_once and not self.reading:
            self._acknowledge()
        elif at_once:
            self._deliver_then_acknowledge()
        else:
            if self._acknowledgment.at is None:
                self._acknowledgment.set(self._simulation.now + self._settings.delayed_ack)
            self._deliver()

    def _deliver_then_acknowledge(self) -> None:
        """The acknowledgment offers the window that is left when the application has read."""
        data = self._receiver.take()
        self._acknowledge()
        self._hand_over(data)

    def _deliver(self) -> None:
        if self.reading:
            self._hand_over(self._receiver.take())

    def _hand_over(self, data: bytes) -> None:
        if self.application is None or self._gone:
            return
        if data:
            self.application.received(data)
        if self._receiver.finished and not self._told_end and not self._gone:
            self._told_end = True
            self.application.ended()

    def _push(self) -> None:
        """Send what the windows allow."""
        if self._state is not _State.ESTABLISHED:
            return
        for offset, payload, fin in self._sender.segments(self._simulation.now):
            self._emit_data(offset, payload, fin)
        if self._retransmission.at is None:
            self._rearm()

    def _rearm(self) -> None:
        if self._sender.outstanding or self._sender.stuck:
            self._retransmission.set(self._simulation.now + self._sender.rto)
        else:
            self._retransmission.clear()

    def _retransmit(self, now: int) -> None:
        sender = self._sender
        handshake = self._state is not _State.ESTABLISHED
        if sender.retries >= (self._settings.syn_retries if handshake else self._settings.retries):
            self._lose(Lost.TIMEOUT)
            return
        if handshake:
            sender.back_off()
            self._send_syn(SYN if self._state is _State.SYN_SENT else SYN | ACK)
            return
        if sender.stuck:
            self._emit_data(*sender.probe())
            sender.back_off()
            sender.retries = 0  # a window may stay closed for as long as the peer lives
        else:
            sender.timed_out()
            self._push()
        self._retransmission.set(now + sender.rto)

    def _send_syn(self, flags: int) -> None:
        window = min(self._receiver.window(), _MAX_UNSCALED)
        options = syn_options(self._settings.mss, self._scale)
        acknowledgment = self._own_acknowledgment(0) if flags & ACK else 0
        self._transmit(
            Segment(
                self.local, self.remote, self._initial, acknowledgment, flags, window, b"", options, self.connection
            )
        )
        self._retransmission.set(self._simulation.now + self._sender.rto)

    def _emit_data(self, offset: int, payload: bytes, fin: bool) -> None:  # noqa: FBT001 - as the sender gives it
        last = offset + len(payload) == self._sender.end
        self._emit(offset, payload, (FIN if fin else PSH if last and payload else 0) | ACK)

    def _acknowledge(self) -> None:
        self._emit(self._sender.next, b"", ACK)

    def _emit(self, offset: int, payload: bytes, flags: int) -> None:
        self._acknowledgment.clear()
        self._unacknowledged_segments = 0
        self._offered = self._receiver.window()
        sequence = (self._initial + 1 + offset) % _MODULUS
        acknowledgment = self._own_acknowledgment(self._receiver.acknowledged)
        window = min(self._offered >> self._scale, _MAX_UNSCALED)
        self._transmit(
            Segment(
                self.local, self.remote, sequence, acknowledgment, flags, window, payload, b"", self.connection, offset
            )
        )

    def _own_acknowledgment(self, offset: int) -> int:
        return (self._peer_initial + 1 + offset) % _MODULUS

    def _end_if_over(self) -> None:
        """Both FINs are acknowledged: wait a while for those that were lost, then forget (RFC 9293 3.6.1)."""
        if self._state is _State.ESTABLISHED and self._sender.finished and self._receiver.finished:
            self._state = _State.CLOSED
            self._retransmission.clear()
            self._simulation.after(_TIME_WAIT, lambda _: self._forget(self))

    def _lose(self, why: Lost) -> None:
        before = self._state
        told = self._gone
        self.vanish()
        if self.application is not None and before is not _State.CLOSED and not told:
            self.application.lost(why)


def _signed(difference: int) -> int:
    """The difference of two sequence numbers, between -2**31 and 2**31 - 1."""
    return (difference + (1 << 31)) % _MODULUS - (1 << 31)
