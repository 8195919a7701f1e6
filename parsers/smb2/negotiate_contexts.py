"""The negotiate contexts of dialect 3.1.1 (MS-SMB2 2.2.3.1, 2.2.4.1).

Request and response share their form; a server answers with one hash, one cipher and one signing algorithm. What
follows the fields of a context is kept in `tail`: Linux rounds DataLength up to a multiple of eight.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self, TypeAlias, TypeVar

from parsers.enums import OpenEnum, OpenFlag
from parsers.layout import U16, U32, Buffer, Layout
from parsers.reader import Reader
from parsers.smb2.body import decode_u16s, decode_utf16, encode_u16s, encode_utf16
from parsers.smb2.context_list import build_context_list, parse_context_list
from parsers.smb2.crypto import Cipher, SigningAlgorithm
from parsers.smb2.transform import CompressionAlgorithm

__all__ = [
    "CompressionCapabilities",
    "CompressionFlags",
    "ContextType",
    "EncryptionCapabilities",
    "HashAlgorithm",
    "NegotiateContext",
    "NetnameContext",
    "PreauthIntegrityCapabilities",
    "RawNegotiateContext",
    "RdmaTransform",
    "RdmaTransformCapabilities",
    "SigningCapabilities",
    "TransportCapabilities",
    "TransportFlags",
    "build_negotiate_contexts",
    "parse_negotiate_contexts",
]

E = TypeVar("E", bound=OpenEnum)


class ContextType(OpenEnum):
    """MS-SMB2 2.2.3.1, ContextType. `POSIX_EXTENSIONS` is reserved there and used by Samba and Linux."""

    PREAUTH_INTEGRITY_CAPABILITIES = 0x0001
    ENCRYPTION_CAPABILITIES = 0x0002
    COMPRESSION_CAPABILITIES = 0x0003
    NETNAME_NEGOTIATE_CONTEXT_ID = 0x0005
    TRANSPORT_CAPABILITIES = 0x0006
    RDMA_TRANSFORM_CAPABILITIES = 0x0007
    SIGNING_CAPABILITIES = 0x0008
    POSIX_EXTENSIONS = 0x0100


class HashAlgorithm(OpenEnum):
    """MS-SMB2 2.2.3.1.1, HashAlgorithms."""

    SHA_512 = 0x0001


class CompressionFlags(OpenFlag):
    """MS-SMB2 2.2.3.1.3, Flags."""

    CHAINED = 0x00000001


class TransportFlags(OpenFlag):
    """MS-SMB2 2.2.3.1.5, Flags."""

    ACCEPT_TRANSPORT_LEVEL_SECURITY = 0x00000001


class RdmaTransform(OpenEnum):
    """MS-SMB2 2.2.3.1.6, RDMATransformIds."""

    NONE = 0x0000
    ENCRYPTION = 0x0001
    SIGNING = 0x0002


@dataclass(frozen=True, slots=True)
class PreauthIntegrityCapabilities:
    """MS-SMB2 2.2.3.1.1."""

    context_type: ClassVar = ContextType.PREAUTH_INTEGRITY_CAPABILITIES
    hash_algorithms: tuple[HashAlgorithm, ...]
    salt: bytes
    tail: bytes = b""

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the Data field; `ParseError` where it is too short."""
        reader = Reader(data)
        count, salt_length = reader.u16("HashAlgorithmCount"), reader.u16("SaltLength")
        algorithms = _identifiers(reader, count, HashAlgorithm)
        return cls(algorithms, bytes(reader.take(salt_length, "Salt")), bytes(reader.rest()))

    def build(self) -> bytes:
        """The Data field."""
        counts = encode_u16s((len(self.hash_algorithms), len(self.salt)))
        return counts + encode_u16s(self.hash_algorithms) + self.salt + self.tail


@dataclass(frozen=True, slots=True)
class EncryptionCapabilities:
    """MS-SMB2 2.2.3.1.2: most preferred first; cipher 0 in a response says that there is no common one (3.3.5.4)."""

    context_type: ClassVar = ContextType.ENCRYPTION_CAPABILITIES
    ciphers: tuple[Cipher, ...]
    tail: bytes = b""

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the Data field; `ParseError` where it is too short."""
        reader = Reader(data)
        return cls(_identifiers(reader, reader.u16("CipherCount"), Cipher), bytes(reader.rest()))

    def build(self) -> bytes:
        """The Data field."""
        return encode_u16s((len(self.ciphers), *self.ciphers)) + self.tail


class CompressionCapabilitiesFixed(NamedTuple):
    """MS-SMB2 2.2.3.1.3."""

    compression_algorithm_count: U16
    padding: U16
    flags: U32


class RdmaTransformCapabilitiesFixed(NamedTuple):
    """MS-SMB2 2.2.3.1.6."""

    transform_count: U16
    reserved1: U16
    reserved2: U32


_COMPRESSION_CAPABILITIES = Layout(CompressionCapabilitiesFixed)
_RDMA_TRANSFORM_CAPABILITIES = Layout(RdmaTransformCapabilitiesFixed)


@dataclass(frozen=True, slots=True)
class CompressionCapabilities:
    """MS-SMB2 2.2.3.1.3: most preferred first."""

    context_type: ClassVar = ContextType.COMPRESSION_CAPABILITIES
    flags: CompressionFlags
    compression_algorithms: tuple[CompressionAlgorithm, ...]
    tail: bytes = b""

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the Data field; `ParseError` where it is too short."""
        fixed = _COMPRESSION_CAPABILITIES.parse(data)
        reader = Reader(memoryview(data)[_COMPRESSION_CAPABILITIES.size :])
        algorithms = _identifiers(reader, fixed.compression_algorithm_count, CompressionAlgorithm)
        return cls(CompressionFlags(fixed.flags), algorithms, bytes(reader.rest()))

    def build(self) -> bytes:
        """The Data field."""
        fixed = CompressionCapabilitiesFixed(len(self.compression_algorithms), 0, self.flags)
        return _COMPRESSION_CAPABILITIES.build(fixed) + encode_u16s(self.compression_algorithms) + self.tail


@dataclass(frozen=True, slots=True)
class NetnameContext:
    """MS-SMB2 2.2.3.1.4: the server name that the client connects to; requests only."""

    context_type: ClassVar = ContextType.NETNAME_NEGOTIATE_CONTEXT_ID
    net_name: str

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the Data field; `ParseError` where its length is odd."""
        return cls(decode_utf16(data, "NetName"))

    def build(self) -> bytes:
        """The Data field."""
        return encode_utf16(self.net_name)


@dataclass(frozen=True, slots=True)
class TransportCapabilities:
    """MS-SMB2 2.2.3.1.5."""

    context_type: ClassVar = ContextType.TRANSPORT_CAPABILITIES
    flags: TransportFlags
    tail: bytes = b""

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the Data field; `ParseError` where it is too short."""
        reader = Reader(data)
        return cls(TransportFlags(reader.u32("Flags")), bytes(reader.rest()))

    def build(self) -> bytes:
        """The Data field."""
        return self.flags.to_bytes(4, "little") + self.tail


@dataclass(frozen=True, slots=True)
class RdmaTransformCapabilities:
    """MS-SMB2 2.2.3.1.6."""

    context_type: ClassVar = ContextType.RDMA_TRANSFORM_CAPABILITIES
    rdma_transform_ids: tuple[RdmaTransform, ...]
    tail: bytes = b""

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the Data field; `ParseError` where it is too short."""
        fixed = _RDMA_TRANSFORM_CAPABILITIES.parse(data)
        reader = Reader(memoryview(data)[_RDMA_TRANSFORM_CAPABILITIES.size :])
        return cls(_identifiers(reader, fixed.transform_count, RdmaTransform), bytes(reader.rest()))

    def build(self) -> bytes:
        """The Data field."""
        fixed = RdmaTransformCapabilitiesFixed(len(self.rdma_transform_ids), 0, 0)
        return _RDMA_TRANSFORM_CAPABILITIES.build(fixed) + encode_u16s(self.rdma_transform_ids) + self.tail


@dataclass(frozen=True, slots=True)
class SigningCapabilities:
    """MS-SMB2 2.2.3.1.7: most preferred first."""

    context_type: ClassVar = ContextType.SIGNING_CAPABILITIES
    signing_algorithms: tuple[SigningAlgorithm, ...]
    tail: bytes = b""

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the Data field; `ParseError` where it is too short."""
        reader = Reader(data)
        return cls(_identifiers(reader, reader.u16("SigningAlgorithmCount"), SigningAlgorithm), bytes(reader.rest()))

    def build(self) -> bytes:
        """The Data field."""
        return encode_u16s((len(self.signing_algorithms), *self.signing_algorithms)) + self.tail


@dataclass(frozen=True, slots=True)
class RawNegotiateContext:
    """A context of a type that has no form here, kept as it is."""

    context_type: ContextType
    data: bytes

    def build(self) -> bytes:
        """The Data field."""
        return self.data


NegotiateContext: TypeAlias = (
    PreauthIntegrityCapabilities
    | EncryptionCapabilities
    | CompressionCapabilities
    | NetnameContext
    | TransportCapabilities
    | RdmaTransformCapabilities
    | SigningCapabilities
    | RawNegotiateContext
)

_PARSERS: dict[int, Callable[[Buffer], NegotiateContext]] = {
    ContextType.PREAUTH_INTEGRITY_CAPABILITIES: PreauthIntegrityCapabilities.parse,
    ContextType.ENCRYPTION_CAPABILITIES: EncryptionCapabilities.parse,
    ContextType.COMPRESSION_CAPABILITIES: CompressionCapabilities.parse,
    ContextType.NETNAME_NEGOTIATE_CONTEXT_ID: NetnameContext.parse,
    ContextType.TRANSPORT_CAPABILITIES: TransportCapabilities.parse,
    ContextType.RDMA_TRANSFORM_CAPABILITIES: RdmaTransformCapabilities.parse,
    ContextType.SIGNING_CAPABILITIES: SigningCapabilities.parse,
}


def parse_negotiate_contexts(message: memoryview, offset: int, count: int) -> tuple[NegotiateContext, ...]:
    """The `count` negotiate contexts at `offset` from the header of `message`, in their order on the wire.

    Raises:
        ParseError: a context leaves the message, or its data is too short for its type.
    """
    return tuple(_parse_one(kind, data) for kind, data in parse_context_list(message, offset, count))


def build_negotiate_contexts(contexts: Iterable[NegotiateContext]) -> bytes:
    """The wire bytes of `contexts`, the first of which has to be placed eight-byte aligned."""
    return build_context_list((context.context_type, context.build()) for context in contexts)


def _parse_one(kind: int, data: memoryview) -> NegotiateContext:
    parser = _PARSERS.get(kind)
    return parser(data) if parser else RawNegotiateContext(ContextType(kind), bytes(data))


def _identifiers(reader: Reader, count: int, kind: type[E]) -> tuple[E, ...]:
    return tuple(kind(value) for value in decode_u16s(reader.take(2 * count, kind.__name__)))
