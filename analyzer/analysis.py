"""`analyze` reads captures; `Analysis` is what came of it, as tables."""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from html import escape
from io import TextIOBase
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

import pandas as pd

from analyzer.export.extract import extract_files
from analyzer.export.keys import write_keys
from analyzer.export.pcapng import ExportSummary, write_decrypted
from analyzer.latency import latency_table
from analyzer.policy import Policy
from analyzer.tables import schema
from analyzer.tables.census import Census
from analyzer.tables.columns import fields
from analyzer.tables.connections import accounting_table, connections_table, undecoded_table
from analyzer.tables.exchanges import exchanges_table
from analyzer.tables.kdc import kdc_table
from analyzer.tables.keys import key_entries_table, keys_table
from analyzer.tables.messages import collect_messages, messages_table
from analyzer.tables.opens import opens_table
from analyzer.tables.rows import MemoryRows, RowStore
from analyzer.tables.sessions import channels_table, sessions_table, trees_table
from analyzer.tables.text import printable
from parsers.capture.open import Source, open_captures
from parsers.capture.packets import CaptureFile, Damage, PacketBlock
from parsers.capture.window import ByteSource
from parsers.errors import UsageError
from parsers.keys import detect
from parsers.keys.store import Credential, KeyStore
from parsers.pipeline import Decoded, Sink, decode
from parsers.smb2.decoder import Batch
from parsers.smb2.exchanges import EXCHANGE
from parsers.smb2.rows import MESSAGE, Columns
from parsers.transport.ip import Segments

if TYPE_CHECKING:
    from analyzer.compare import Comparison
    from analyzer.diagnosis import Evidence, Timeline
    from analyzer.plots import Plots

__all__ = ["Analysis", "Keys", "analyze", "load_keys", "read"]

PathName: TypeAlias = str | os.PathLike[str]
Keys: TypeAlias = PathName | Iterable[PathName] | KeyStore
_PIECE = 1 << 17  # rows that are made into a table at once where tables are streamed


def analyze(
    captures: Source | Iterable[Source],
    *,
    keys: Keys | None = None,
    passwords: Iterable[str] = (),
    nt_hashes: Iterable[str] = (),
    keytabs: Iterable[PathName] = (),
    policy: Policy | PathName | None = None,
    diagnose: bool = True,
) -> "Analysis":
    r"""Read captures, decrypt what the keys open, and return the result.

    Args:
        captures: a capture file, a folder of them, "-" for standard input, an open binary file, or several of these.
        keys: a file with keys of any format in docs/keys.md, several of them, or a `KeyStore`.
        passwords: `DOMAIN\user:password`, one a user.
        nt_hashes: `DOMAIN\user:hash`, the hash in 32 hexadecimal digits.
        keytabs: files with the keys of services; the same as giving them as `keys`.
        policy: timers that differ from their defaults: a `Policy`, or its TOML file (docs/findings.md).
        diagnose: collect what events, findings, figures and the report need. Tables alone are faster without.

    Raises:
        UsageError: a file cannot be read, a key is malformed, or something is not supported; one sentence says what.
    """
    known = policy if isinstance(policy, Policy) else Policy() if policy is None else Policy.load(policy)
    store, given = load_keys(keys, keytabs, passwords, nt_hashes)
    return read(captures, store, given=given, policy=known, diagnose=diagnose)


def read(
    captures: Source | Iterable[Source],
    keys: KeyStore,
    *,
    given: Sequence[Credential] = (),
    policy: Policy | None = None,
    diagnose: bool = True,
    messages: RowStore | None = None,
    exchanges: RowStore | None = None,
    sinks: Iterable[Sink] = (),
) -> "Analysis":
    """`analyze` for callers that have keys, and decide where the many rows are kept.

    Args:
        captures: as for `analyze`.
        keys: everything that may open a session.
        given: credentials that are expected to fit; `Analysis.notes` tells of a user who is not there.
        policy: the timers; None is their defaults.
        diagnose: as for `analyze`.
        messages: where messages wait; None keeps them in memory.
        exchanges: the same for exchanges.
        sinks: see every block as well.
    """
    sources = _listed(captures)
    messages = MemoryRows(MESSAGE) if messages is None else messages
    exchanges = MemoryRows(EXCHANGE) if exchanges is None else exchanges
    census, collector = Census(), _diagnosis().Collector() if diagnose else None

    def keep(_block: PacketBlock | None, _segments: Segments | None, batch: Batch) -> None:
        messages.append(collect_messages(batch))
        done = batch.exchanges.take_answered()
        if collector is not None:
            collector.operations.watch(done)
        exchanges.append(fields(done))

    collectors = () if collector is None else (collector,)
    decoded = decode(open_captures(sources), keys, (census, *collectors, keep, *sinks))
    evidence = None if collector is None else _diagnosis().Evidence(collector, decoded)
    notes = _missing_users(decoded, given)
    return Analysis(sources, keys, decoded, census, evidence, policy or Policy(), messages, exchanges, notes)


def load_keys(
    keys: Keys | None, keytabs: Iterable[PathName] = (), passwords: Iterable[str] = (), nt_hashes: Iterable[str] = ()
) -> tuple[KeyStore, list[Credential]]:
    """One store of everything, and those credentials that were given one by one.

    Raises:
        UsageError: one of them is malformed.
    """
    keytabs, passwords, nt_hashes = list(keytabs), list(passwords), list(nt_hashes)
    if isinstance(keys, KeyStore):
        if keytabs or passwords or nt_hashes:
            raise UsageError("keytabs, passwords and NT hashes beside a KeyStore: add them to the store")
        return keys, []
    files = [keys] if isinstance(keys, str | os.PathLike) else list(keys or ())
    store = KeyStore()
    for path in (*files, *keytabs):
        store.merge(detect.load_keys(os.fspath(path)))
    known = len(store.credentials)
    for password in passwords:
        store.add_password(password, "the password that was given")
    for nt_hash in nt_hashes:
        store.add_nt_hash(nt_hash, "the NT hash that was given")
    return store, list(store.credentials[known:])


def _diagnosis() -> ModuleType:
    """Evidence, events and rules take a while to import, and whoever wants tables alone does not wait for them."""
    from analyzer import diagnosis  # noqa: PLC0415 - see above

    return diagnosis


class Analysis:
    """What was found in captures. Tables are pandas DataFrames, built when first asked for.

    Attributes:
        sources: the captures, as they were given.
        notes: what the caller should know, one sentence each.
        policy: the timers by which it is judged.
    """

    def __init__(
        self,
        sources: list[Source],
        keys: KeyStore,
        decoded: Decoded,
        census: Census,
        evidence: "Evidence | None",
        policy: Policy,
        messages: RowStore,
        exchanges: RowStore,
        notes: list[str],
    ) -> None:
        self.sources = sources
        self.notes = notes
        self._evidence = evidence
        self.policy = policy
        self._keys = keys
        self._decoded = decoded
        self._census = census
        self._message_rows = messages
        self._exchange_rows = exchanges

    @property
    def evidence(self) -> "Evidence":
        """What was collected for diagnosis while the captures were read.

        Raises:
            UsageError: nothing was, because the captures were read for tables alone.
        """
        if self._evidence is None:
            raise UsageError("events and findings were not collected: analyze with diagnose=True")
        return self._evidence

    @cached_property
    def connections(self) -> pd.DataFrame:
        """TCP connections, one a row."""
        return connections_table(self._decoded, self._census)

    @cached_property
    def sessions(self) -> pd.DataFrame:
        """SMB2 sessions, one a row."""
        return sessions_table(self._decoded, self._census)

    @cached_property
    def channels(self) -> pd.DataFrame:
        """Connections of sessions, one pair a row."""
        return channels_table(self._decoded)

    @cached_property
    def trees(self) -> pd.DataFrame:
        """Tree connects, one a row."""
        return trees_table(self._decoded)

    @cached_property
    def opens(self) -> pd.DataFrame:
        """Opened files, one a row."""
        exchanges = self._decoded.smb2.exchanges
        return opens_table(exchanges.opens.rows, self._decoded.smb2.tracker.sessions, exchanges.names.names)

    @cached_property
    def messages(self) -> pd.DataFrame:
        """SMB2 messages, one a row, in order of completion."""
        return self._messages(self._message_rows.whole())

    @cached_property
    def exchanges(self) -> pd.DataFrame:
        """Requests with their answers, one pair a row."""
        return exchanges_table(self._exchange_rows.whole(), self._decoded)

    @cached_property
    def kdc(self) -> pd.DataFrame:
        """Requests to Kerberos KDCs with their answers, one pair a row."""
        return kdc_table(self._decoded)

    @cached_property
    def timeline(self) -> "Timeline":
        """What happened, as objects: what the table `events` shows."""
        timeline: Timeline = _diagnosis().build_timeline(self.evidence)
        return timeline

    @cached_property
    def events(self) -> pd.DataFrame:
        """What happened to connections and sessions, in order of time."""
        table: pd.DataFrame = _diagnosis().events_of(self.timeline, self._decoded)
        return table

    @cached_property
    def findings(self) -> pd.DataFrame:
        """What is wrong, who did it, and what to change: the worst first (docs/findings.md)."""
        table: pd.DataFrame = _diagnosis().findings_of(self, self.evidence, self.policy)
        return table

    def latency(self, *by: str) -> pd.DataFrame:
        """Response times by command, or by what is named: see `analyzer.latency.latency_table`.

        Args:
            by: one or more of `analyzer.latency.GROUPS`; none means "command".

        Raises:
            UsageError: answers cannot be grouped by that.
        """
        health = self.evidence.tcp
        trips = {number: trip for number in range(len(self.connections)) if (trip := health.round_trip(number))}
        return latency_table(self.exchanges, self.connections, self.trees, trips, by or ("command",))

    @property
    def plot(self) -> "Plots":
        """Figures: `plot.timeline()`, `plot.latency()`, `plot.load()`, `plot.expiry()`, `plot.tcp(connection)`."""
        from analyzer.plots import Plots  # noqa: PLC0415 - matplotlib waits until it is needed

        return Plots(self)

    @cached_property
    def undecoded(self) -> pd.DataFrame:
        """Bytes that could not be decoded, and damaged places of the files."""
        return undecoded_table(self._decoded)

    @cached_property
    def accounting(self) -> pd.DataFrame:
        """Where every captured payload byte went."""
        return accounting_table(self._decoded, self._census)

    @cached_property
    def keys(self) -> pd.DataFrame:
        """Which key opened each SMB2 session, and how that was proved; or why none does."""
        return keys_table(self._decoded, self._census)

    @cached_property
    def key_entries(self) -> pd.DataFrame:
        """What became of each key that was given, one a row."""
        return key_entries_table(self._keys, self._decoded, self._census)

    @property
    def files(self) -> list[CaptureFile]:
        """The files that were read, with their packets and times."""
        return self._decoded.captures.files

    @property
    def damage(self) -> list[Damage]:
        """Places of the capture files that could not be read."""
        return self._decoded.captures.damage

    def frames(self, table: str) -> Iterator[pd.DataFrame]:
        """A table in pieces, for streaming: large ones are never whole in memory. There is one piece at least.

        Raises:
            UsageError: there is no such table.
        """
        schema.table_named(table)
        if table == "messages":
            yield from map(self._messages, self._message_rows.pieces(_PIECE))
        elif table == "exchanges":
            yield from (exchanges_table(rows, self._decoded) for rows in self._exchange_rows.pieces(_PIECE))
        else:
            yield getattr(self, table)

    def compare(self, other: "Analysis", mode: str | None = None) -> "Comparison":
        """Beside another capture: the other side of the same traffic, or different traffic after a change.

        Args:
            other: the second capture; this one is the first.
            mode: "two sides" or "before and after"; None: what the captures show.

        Raises:
            UsageError: a capture was read from a stream and cannot be read again, or they are not two sides.
        """
        from analyzer.compare import compare  # noqa: PLC0415 - few need it

        return compare(self, other, mode)

    def compare_with_tshark(self) -> "Comparison":
        """A second opinion: the messages that tshark shows in the same capture, with the same keys.

        Raises:
            UsageError: pyshark or tshark is not installed, or there are several captures.
        """
        from analyzer.compare.with_tshark import compare_with_tshark  # noqa: PLC0415 - few need it

        return compare_with_tshark(self)

    @staticmethod
    def describe(table: str) -> pd.DataFrame:
        """Name, type, unit and meaning of a table's columns.

        Raises:
            UsageError: there is no such table.
        """
        return pd.DataFrame(schema.describe(table), columns=["name", "type", "unit", "meaning"])

    def decrypt(self, path: str | os.PathLike[str]) -> ExportSummary:
        """Write the captures as one pcapng file in which everything that could be decrypted is plain.

        Raises:
            UsageError: the captures were read from a stream and cannot be read again, or `path` cannot be written.
        """
        return write_decrypted(self.sources, self._keys, path)

    def extract(self, folder: str | os.PathLike[str], *, pipes: bool = False) -> pd.DataFrame:
        """Write the files whose data the captures hold into a new or empty folder, and `files.csv`, their list.

        Args:
            folder: where the files go, each below its share's name.
            pipes: write what went through named pipes as well; else it is only listed.

        Returns:
            The list: what each open read, and what it wrote (docs/tables.md, `files`).

        Raises:
            UsageError: the captures were read from a stream and cannot be read again, or the folder is not empty or
                cannot be written.
        """
        return extract_files(self.sources, self._keys, folder, pipes=pipes)

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write an HTML file that tells everything to a person: it needs no network, and holds no secret.

        Raises:
            UsageError: the file cannot be written.
        """
        from analyzer.report import write_report  # noqa: PLC0415 - its templates wait until they are needed

        write_report(self, path)

    def export_keys(self, path: str | os.PathLike[str], kind: str = "toml") -> int:
        """Write the keys that were proved, secrets as they are, to a file of mode 0600; returns of how many sessions.

        Args:
            path: of the file; what was there is replaced.
            kind: "toml" is a key file as in docs/keys.md, "wireshark" is for Wireshark's `smb2_seskey_list`.

        Raises:
            UsageError: there is nothing to write, no such kind, or the file cannot be written.
        """
        return write_keys(self._decoded.smb2.tracker.sessions, os.fspath(path), kind)

    def __repr__(self) -> str:
        files = ", ".join(file.name for file in self.files)
        return (
            f"<Analysis of {files}: {len(self._decoded.connections)} connections, "
            f"{len(self._decoded.smb2.tracker.sessions)} SMB2 sessions>"
        )

    def _repr_html_(self) -> str:
        captures = "".join(f"<li>{_html(file.name)}: {file.packets:,} packets</li>" for file in self.files)
        sessions = self.sessions
        columns = [f"0x{number:016x}" for number in sessions["session_id"]]
        cells = zip(
            columns, sessions["domain"], sessions["user"], sessions["decryption"], sessions["reason"], strict=True
        )
        rows = "".join("<tr>" + "".join(f"<td>{_html(cell)}</td>" for cell in row) + "</tr>" for row in cells)
        warnings = [*self.notes, *(f"{damage.file}: {damage.reason}" for damage in self.damage)]
        return (
            f"<ul>{captures}</ul><p>{len(self._decoded.connections):,} connections</p>"
            "<table><thead><tr><th>session</th><th>domain</th><th>user</th><th>decryption</th><th>reason</th></tr>"
            f"</thead><tbody>{rows}</tbody></table>" + "".join(f"<p>{_html(text)}</p>" for text in warnings)
        )

    def _messages(self, rows: Columns) -> pd.DataFrame:
        names = self._decoded.smb2.exchanges.names.names
        return messages_table(rows, self._decoded.smb2.tracker.sessions, names)


def _listed(captures: Source | Iterable[Source]) -> list[Source]:
    if isinstance(captures, str | os.PathLike | ByteSource):
        return [captures]
    if isinstance(captures, TextIOBase) or not isinstance(captures, Iterable):
        raise UsageError(f"{captures!r} is no capture: give a path or an open binary file")
    return list(captures)


def _missing_users(decoded: Decoded, given: Sequence[Credential]) -> list[str]:
    """A sentence for every credential whose user does not log on anywhere: most likely it is misspelt."""
    contexts = [s.security_context for s in decoded.smb2.tracker.sessions if s.security_context is not None]
    there = {(context.user or "").partition("@")[0].casefold() for context in contexts}
    there |= {(row.principal or "").partition("@")[0].casefold() for row in decoded.kdc.exchanges.rows}
    accounts = sorted(
        {
            f"{context.domain}\\{context.user}" if context.domain else f"{context.user}"
            for context in contexts
            if context.user
        }
    )
    seen = f"the users there are {', '.join(accounts)}" if accounts else "no user's logon is there"
    return [
        f"no session in the capture is of {credential.account}, for whom a {_kind(credential)} was given; {seen}"
        for credential in given
        if credential.user.casefold() not in there
    ]


def _kind(credential: Credential) -> str:
    return "password" if credential.nt_hash is None else "NT hash"


def _html(text: object) -> str:
    return "" if text is pd.NA else escape(printable(str(text)))
