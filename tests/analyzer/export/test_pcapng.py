"""The decrypted capture: read back by this project, and by tshark without any key."""

import functools
import io
import json
import os
import resource
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.export import pcapng
from analyzer.export.pcapng import ExportSummary, write_decrypted
from parsers.capture.open import open_captures
from parsers.capture.write import PcapngWriter
from parsers.errors import UsageError
from parsers.keys.store import KeyStore

ETHERNET, RAW, LINUX_COOKED = 1, 101, 113
FIN, SYN, RST = 0x01, 0x02, 0x04
TCP = 34  # where the TCP header begins in the captures of `samba`
WARNING = 0x600000  # severity of tshark's expert information
GOOD_CHECKSUM = "1"
SYSTEMATIC = ("ntlm_311_enc_aes-128-gcm.pcapng", "torture_read_enc.pcapng")
WHOLE = (
    "ntlm_300_enc.pcapng",
    "ntlm_311_enc_5mb.pcapng",
    "ntlm_311_enc_aes-128-ccm.pcap",
    "ntlm_311_enc_aes-128-gcm.pcapng",
    "ntlm_311_enc_aes-256-ccm.pcap",
    "ntlm_311_enc_gcm_sign_aes-128-gmac.pcapng",
    "ntlm_311_share_enc.pcapng",
    "torture_compound_enc_8k.pcapng",
    "torture_read_enc.pcapng",
)
FAULTY = (
    "auth_encryption_required.pcapng",
    "break_frozen_holder_enc.pcapng",
    "break_lease_timeout_disconnect_enc.pcapng",
    "cli_impacket_300_enc.pcapng",
    "cli_smbprotocol_311_enc_aes-256-gcm.pcapng",
    "dmg_enc_snap96.pcapng",
    "dmg_mch_bind_enc_first.pcapng",
    "dmg_mch_bind_enc_second.pcapng",
    "mch_bind_enc.pcapng",
    "net_idle_then_blackhole_enc.pcapng",
    "net_mtu_blackhole_enc.pcapng",
    "srv_deadtime_idle_disconnect_enc.pcapng",
    "srv_restart_reconnect_smbprotocol.pcapng",
    "srv_stop_echo_keepalive_enc.pcapng",
)

Packets = list[Any]
Rows = list[list[list[str]]]


@pytest.fixture
def export(shared: Path, samba_keys: KeyStore, tmp_path: Path) -> Callable[[str], tuple[Path, Path, ExportSummary]]:
    """export(capture): the capture, the decrypted copy, and the summary."""

    def run(name: str) -> tuple[Path, Path, ExportSummary]:
        source, target = shared / "captures" / name, tmp_path / "plain.pcapng"
        return source, target, write_decrypted(source, samba_keys, target)

    return run


@pytest.fixture
def packets(shared: Path, read_packets: Callable[[Path], Packets]) -> Packets:
    return read_packets(shared / "captures/samba/ntlm_311_enc_aes-128-gcm.pcapng")


def commands(rows: Rows) -> Counter[tuple[int, bool]]:
    """SMB2 messages by command and whether they are responses; the first two fields of each row."""
    return Counter(
        (int(command), response in {"1", "True"})
        for row in rows
        for command, response in zip(row[0], row[1], strict=True)
    )


def our_commands(messages: list[Any]) -> Counter[tuple[int, bool]]:
    return Counter((int.from_bytes(m.data[12:14], "little"), bool(m.data[16] & 1)) for m in messages)


# ------------------------------------------------------------------------------------ the same messages


@pytest.mark.parametrize("name", [f"samba/{name}" for name in WHOLE] + [f"faults/{name}" for name in FAULTY])
def test_without_keys_the_copy_says_what_the_capture_said_with_them(
    export: Callable[[str], tuple[Path, Path, ExportSummary]],
    read_messages: Callable[[Path, KeyStore], list[Any]],
    samba_keys: KeyStore,
    name: str,
) -> None:
    source, target, summary = export(name)
    assert read_messages(target, KeyStore()) == read_messages(source, samba_keys)
    assert (summary.units_decrypted > 0) == ("snap" not in name)


@pytest.mark.parametrize("name", ["ntlm_311_mixed_sessions.pcapng", "torture_session_bind.pcapng"])
def test_sessions_of_many_kinds_in_one_capture(
    export: Callable[[str], tuple[Path, Path, ExportSummary]],
    read_messages: Callable[[Path, KeyStore], list[Any]],
    samba_keys: KeyStore,
    name: str,
) -> None:
    source, target, summary = export(f"samba/{name}")
    assert read_messages(target, KeyStore()) == read_messages(source, samba_keys)
    assert summary.packets_passed > 0
    assert summary.connections_rewritten > 1


@pytest.mark.parametrize("name", SYSTEMATIC)
def test_small_blocks_give_the_same_packets(
    export: Callable[[str], tuple[Path, Path, ExportSummary]], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    _, target, _ = export(f"samba/{name}")
    at_once = target.read_bytes()
    monkeypatch.setattr(pcapng, "open_captures", functools.partial(open_captures, window=5000))
    _, target, _ = export(f"samba/{name}")
    assert target.read_bytes() == at_once


# ------------------------------------------------------------------------------------ tshark


@pytest.mark.witness
@pytest.mark.parametrize("name", [*WHOLE, "meta_enc_60k.pcapng"])
def test_tshark_reads_every_message_and_has_nothing_to_complain_about(
    export: Callable[[str], tuple[Path, Path, ExportSummary]],
    read_messages: Callable[[Path, KeyStore], list[Any]],
    tshark_rows: Callable[..., Rows],
    samba_keys: KeyStore,
    name: str,
) -> None:
    source, target, summary = export(f"samba/{name}")
    fields = ["smb2.cmd", "smb2.flags.response", "_ws.malformed", "_ws.expert.severity", "tcp.checksum.status",
              "ip.checksum.status", "smb2.filename", "smb2.shortname", "smb.file"]  # fmt: skip
    rows = tshark_rows(target, fields)
    assert commands(rows) == our_commands(read_messages(source, samba_keys))
    assert [row[2] for row in rows if row[2]] == []
    assert max(int(severity) for row in rows for severity in row[3] or ["0"]) < WARNING
    assert {tuple(row[4]) for row in rows} == {tuple(row[5]) for row in rows} == {(GOOD_CHECKSUM,)}
    facts = json.loads(source.with_suffix(".json").read_text()).get("facts", {})
    known = facts.get("with_session_keys") or facts.get("with_nt_password_detail") or {"filenames": []}
    assert set(known["filenames"]) <= {name for row in rows for column in row[6:] for name in column}
    assert summary.units_left == 0
    assert summary.packets_written == len(rows)


@pytest.mark.witness
@pytest.mark.parametrize("name", WHOLE)
def test_tshark_sees_the_messages_at_the_times_at_which_it_decrypts_them_itself(
    export: Callable[[str], tuple[Path, Path, ExportSummary]], tshark_rows: Callable[..., Rows], name: str
) -> None:
    source, target, _ = export(f"samba/{name}")
    fields = ["frame.time_epoch", "tcp.stream", "smb2.cmd", "smb2.flags.response", "smb2.msg_id"]
    decrypting = ["-o", "ntlmssp.nt_password:Passw0rd!", "-o", "tcp.reassemble_out_of_order:TRUE", "-Y", "smb2.cmd"]
    its_own = tshark_rows(source, fields, *decrypting)
    assert len(its_own) > 50
    assert tshark_rows(target, fields, "-Y", "smb2.cmd") == its_own


@pytest.mark.witness
@pytest.mark.parametrize("name", [f"faults/{name}" for name in FAULTY] + ["samba/ntlm_311_mixed_sessions.pcapng"])
def test_tshark_reads_what_is_left_of_troubled_connections(
    export: Callable[[str], tuple[Path, Path, ExportSummary]],
    read_messages: Callable[[Path, KeyStore], list[Any]],
    tshark_rows: Callable[..., Rows],
    samba_keys: KeyStore,
    name: str,
) -> None:
    source, target, summary = export(name)
    rows = tshark_rows(target, ["smb2.cmd", "smb2.flags.response", "_ws.malformed", "tcp.analysis.lost_segment"])
    assert [row for row in rows if row[2] or row[3]] == []
    if "snap" not in name:  # tshark also counts messages that were cut
        assert commands(rows) == our_commands(read_messages(source, samba_keys))
    assert summary.packets_written == len(rows)


@pytest.mark.witness
@pytest.mark.parametrize("name", SYSTEMATIC)
@pytest.mark.parametrize("every", [7, 23, 61])
def test_where_packets_are_missing_tshark_sees_lost_segments_and_goes_on(
    shared: Path,
    tmp_path: Path,
    samba_keys: KeyStore,
    read_packets: Callable[[Path], Packets],
    read_messages: Callable[[Path, KeyStore], list[Any]],
    write_packets: Callable[..., Path],
    tshark_rows: Callable[..., Rows],
    name: str,
    every: int,
) -> None:
    packets = read_packets(shared / "captures/samba" / name)
    source = write_packets(packet for row, packet in enumerate(packets) if row < 25 or row % every)
    target = tmp_path / "plain.pcapng"
    write_decrypted(source, samba_keys, target)
    messages = read_messages(source, samba_keys)
    rows = tshark_rows(target, ["smb2.cmd", "smb2.flags.response", "_ws.malformed", "tcp.analysis.lost_segment"])
    assert commands(rows) == our_commands(messages)
    assert not any(row[2] for row in rows)
    assert any(row[3] for row in rows)
    assert read_messages(target, KeyStore()) == messages


@pytest.mark.witness
def test_tshark_reads_ipv6_and_packets_without_link_layer(
    tmp_path: Path,
    samba_keys: KeyStore,
    packets: Packets,
    write_packets: Callable[..., Path],
    tshark_rows: Callable[..., Rows],
) -> None:
    counts = []
    for change, linktype in ((over_ipv6, ETHERNET), (cooked, LINUX_COOKED)):
        write_decrypted(write_packets(change(packets), linktype), samba_keys, tmp_path / "plain.pcapng")
        rows = tshark_rows(
            tmp_path / "plain.pcapng",
            ["smb2.cmd", "smb2.flags.response", "_ws.malformed", "tcp.checksum.status", "ipv6.src", "eth.src"],
        )
        assert not any(row[2] for row in rows)
        assert {tuple(row[3]) for row in rows} == {(GOOD_CHECKSUM,)}
        counts.append((commands(rows).total(), {bool(row[4]) for row in rows}, {bool(row[5]) for row in rows}))
    assert counts == [(224, {True}, {True}), (224, {False}, {False})]


# ------------------------------------------------------------------------------------ links and interfaces


def over_ipv6(packets: Packets) -> Iterator[Any]:
    for packet in packets:
        ip = dpkt.ethernet.Ethernet(packet.data).data
        if not isinstance(ip, dpkt.ip.IP):
            continue
        tcp = bytes(ip.data)
        addresses = b"".join(bytes(12) + address for address in (ip.src, ip.dst))
        header = (6 << 28).to_bytes(4, "big") + len(tcp).to_bytes(2, "big") + bytes((6, 64)) + addresses
        data = packet.data[:12] + b"\x86\xdd" + header + tcp
        yield packet._replace(data=data, length=len(data))


def cooked(packets: Packets) -> list[Any]:
    """With the header of LINKTYPE_LINUX_SLL, whose last two bytes are an ethertype."""
    return [packet._replace(data=bytes(14) + packet.data[12:], length=packet.length + 2) for packet in packets]


def tagged(packets: Packets) -> list[Any]:
    """In VLAN 5."""
    tag = b"\x81\x00\x00\x05"
    return [p._replace(data=p.data[:12] + tag + p.data[12:], length=p.length + len(tag)) for p in packets]


@pytest.mark.parametrize(
    ("change", "linktype", "interfaces", "header"),
    [
        (over_ipv6, ETHERNET, [ETHERNET], slice(0, 12)),
        (tagged, ETHERNET, [ETHERNET], slice(0, 12)),
        (cooked, LINUX_COOKED, [LINUX_COOKED, RAW], slice(0)),
        (lambda packets: [p._replace(data=p.data[14:], length=p.length - 14) for p in packets], RAW, [RAW], slice(0)),
    ],
    ids=["ipv6", "vlan", "cooked", "raw"],
)
def test_links_other_than_plain_ethernet_with_ipv4(
    tmp_path: Path,
    samba_keys: KeyStore,
    packets: Packets,
    write_packets: Callable[..., Path],
    read_packets: Callable[[Path], Packets],
    read_messages: Callable[[Path, KeyStore], list[Any]],
    change: Callable[[Packets], list[Any]],
    linktype: int,
    interfaces: list[int],
    header: slice,
) -> None:
    target = tmp_path / "plain.pcapng"
    source = write_packets(change([p for p in packets if p.data[12:14] == b"\x08\x00"]), linktype)
    summary = write_decrypted(source, samba_keys, target)
    messages = read_messages(target, KeyStore())
    assert (summary.units_decrypted, len(messages)) == (218, 224)
    assert messages == read_messages(source, samba_keys)
    copies = open_captures(target)
    used = {int(linktype) for block in copies for linktype in block.linktype}
    assert [interface.linktype for interface in copies.interfaces] == interfaces
    assert used == {interfaces[-1]}
    assert read_packets(target)[0].data[header] == packets[0].data[header]


def test_interfaces_keep_their_names_numbers_and_packets(
    tmp_path: Path, samba_keys: KeyStore, packets: Packets
) -> None:
    source, target = tmp_path / "two.pcapng", tmp_path / "plain.pcapng"
    with source.open("wb") as file:
        writer = PcapngWriter(file)
        writer.interface(LINUX_COOKED, name="any", snaplen=96)
        writer.interface(ETHERNET, name="eth0")
        writer.secrets(0x544C534B, b"CLIENT_RANDOM must not be in the copy\n")
        writer.packet(packets[0].time, bytes(20), interface=0)
        for packet in packets:
            writer.packet(packet.time, packet.data, interface=1)
    write_decrypted(source, samba_keys, target)
    copy = open_captures(target)
    interfaces = [place for block in copy for place in zip(block.interface.tolist(), block.time.tolist(), strict=True)]
    assert [(i.name, i.linktype, i.snaplen) for i in copy.interfaces] == [
        ("any", LINUX_COOKED, 0),
        ("eth0", ETHERNET, 0),
    ]
    assert interfaces[:2] == [(0, packets[0].time), (1, packets[0].time)]
    assert {number for number, _ in interfaces[1:]} == {1}
    assert b"CLIENT_RANDOM" not in target.read_bytes()
    assert copy.secrets == []


# ------------------------------------------------------------------------------------ what passes through


def test_without_keys_every_packet_passes_as_it_is(
    shared: Path, tmp_path: Path, read_packets: Callable[[Path], Packets]
) -> None:
    source, target = shared / "captures/faults/dmg_enc_snap96.pcapng", tmp_path / "plain.pcapng"
    summary = write_decrypted(source, KeyStore(), target)
    assert read_packets(target) == read_packets(source)
    assert summary == ExportSummary(str(target), 0, 0, 219, 8074, 8074)


def test_packets_of_other_protocols_pass_at_their_places(
    tmp_path: Path,
    samba_keys: KeyStore,
    packets: Packets,
    write_packets: Callable[..., Path],
    read_packets: Callable[[Path], Packets],
) -> None:
    macs = packets[0].data[:12]
    arp = macs + b"\x08\x06" + bytes(28)
    udp = bytes(dpkt.ip.IP(p=17, src=b"\1\1\1\1", dst=b"\2\2\2\2", data=dpkt.udp.UDP(sport=1, dport=53, data=b"who?")))
    unknown = macs + b"\x12\x34" + b"anything"
    others = [packets[0]._replace(data=d, length=len(d) + 7) for d in (arp, macs + b"\x08\x00" + udp, unknown)]
    mixed = []
    for row, packet in enumerate(packets):
        time = packets[0].time + row
        mixed += [packet._replace(time=time), others[row % 3]._replace(time=time)]
    target = tmp_path / "plain.pcapng"
    summary = write_decrypted(write_packets(mixed), samba_keys, target)
    written = read_packets(target)
    assert [packet for packet in written if packet.length != len(packet.data)] == mixed[1::2]
    assert summary.packets_passed == len(packets)
    assert summary.packets_written == len(written) == len(packets) + 240
    times = [packet.time for packet in written]
    assert times == sorted(times)


def test_connections_without_decrypted_messages_pass_as_they_are(
    export: Callable[[str], tuple[Path, Path, ExportSummary]], read_packets: Callable[[Path], Packets]
) -> None:
    source, target, summary = export("samba/ntlm_311_mixed_sessions.pcapng")
    originals, copies = set(read_packets(source)), read_packets(target)
    passed = [packet for packet in copies if packet in originals]
    ports = {frozenset((packet.data[TCP : TCP + 2], packet.data[TCP + 2 : TCP + 4])) for packet in passed}
    rewritten = [packet for packet in copies if packet not in originals]
    assert len(passed) == summary.packets_passed == 248
    assert len({frozenset((p.data[TCP : TCP + 2], p.data[TCP + 2 : TCP + 4])) for p in rewritten} - ports) == 3
    assert not ports & {frozenset((p.data[TCP : TCP + 2], p.data[TCP + 2 : TCP + 4])) for p in rewritten}


# ------------------------------------------------------------------------------------ time and order


@pytest.mark.parametrize("name", SYSTEMATIC)
def test_opening_and_closing_packets_keep_their_times_flags_and_first_numbers(
    export: Callable[[str], tuple[Path, Path, ExportSummary]], read_packets: Callable[[Path], Packets], name: str
) -> None:
    source, target, _ = export(f"samba/{name}")

    def ends(path: Path) -> list[tuple[int, bytes, int, bytes]]:
        found = []
        for packet in read_packets(path):
            tcp = packet.data[TCP:]
            if tcp[13] & (SYN | FIN | RST):
                number = tcp[4:8] if tcp[13] & SYN else b""
                found.append((packet.time, tcp[:4], tcp[13] & (SYN | FIN | RST), number))
        return found

    assert ends(target) == ends(source)


def test_a_message_that_was_cut_off_stands_before_the_end_of_its_connection(
    tmp_path: Path,
    samba_keys: KeyStore,
    packets: Packets,
    write_packets: Callable[..., Path],
    read_packets: Callable[[Path], Packets],
) -> None:
    """Only the end of the capture tells that the message stays incomplete."""
    sent = [row for row, p in enumerate(packets) if p.length > 1000 and p.data[TCP + 2 : TCP + 4] == b"\x01\xbd"]
    fin = next(p for p in packets if p.data[TCP + 13] & FIN and p.data[TCP + 2 : TCP + 4] == b"\x01\xbd")
    start, cut = packets[: sent[20] + 1], packets[sent[20]].time
    later = [fin._replace(time=cut + 1), fin._replace(time=cut + 2, data=bytes(60), length=60)]
    source, target = write_packets(start + later), tmp_path / "plain.pcapng"
    summary = write_decrypted(source, samba_keys, target)
    *_, last_piece, end, other = read_packets(target)
    assert summary.units_left == 1
    assert (last_piece.time, end.time, other.time) == (cut, cut + 1, cut + 2)
    assert last_piece.data[TCP + 20 + 4 :][:4] == b"\xfdSMB"
    payload = len(last_piece.data) - TCP - 20
    sequences = [int.from_bytes(packet.data[TCP + 4 : TCP + 8], "big") for packet in (last_piece, end)]
    assert sequences[1] == sequences[0] + payload
    assert end.data[TCP + 13] & FIN


# ------------------------------------------------------------------------------------ files


def test_the_same_input_gives_the_same_bytes_and_no_key_is_among_them(
    export: Callable[[str], tuple[Path, Path, ExportSummary]],
) -> None:
    source, target, _ = export("samba/ntlm_311_enc_aes-128-gcm.pcapng")
    first = target.read_bytes()
    export("samba/ntlm_311_enc_aes-128-gcm.pcapng")
    assert target.read_bytes() == first
    (session,) = json.loads(source.with_suffix(".json").read_text())["debug_encryption_session_keys"]
    for name in ("session_key", "signing_key", "server_in_key", "server_out_key"):
        assert bytes.fromhex(session[name]) not in first
        assert session[name].encode() not in first
    assert b"Passw0rd!" not in first


def test_a_capture_that_ends_inside_of_a_packet_is_copied_up_to_there(
    shared: Path, tmp_path: Path, samba_keys: KeyStore, read_messages: Callable[[Path, KeyStore], list[Any]]
) -> None:
    whole = (shared / "captures/samba/ntlm_311_enc_aes-128-gcm.pcapng").read_bytes()
    source, target = tmp_path / "cut.pcapng", tmp_path / "plain.pcapng"
    source.write_bytes(whole[: len(whole) // 2])
    write_decrypted(source, samba_keys, target)
    messages = read_messages(target, KeyStore())
    assert len(messages) > 20
    assert messages == read_messages(source, samba_keys)


@pytest.mark.fuzz
@given(st.data())
def test_any_damage_gives_a_sound_file(
    shared: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray((shared / "captures/faults/cli_smbprotocol_311_enc_aes-256-gcm.pcapng").read_bytes())
    places = st.integers(1000, len(content) - 1)  # behind the headers of the file
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=50)):
        content[place] = value
    folder = tmp_path_factory.getbasetemp()
    source, target = folder / "damaged.pcapng", folder / "plain.pcapng"
    source.write_bytes(content[: data.draw(places)] if data.draw(st.booleans()) else content)
    keys = KeyStore()
    keys.add_password("alice:Passw0rd!")
    summary = write_decrypted(source, keys, target)
    copy = open_captures(target)
    assert sum(len(block) for block in copy) == summary.packets_written
    assert copy.damage == []


def test_several_captures_become_one(
    shared: Path, tmp_path: Path, samba_keys: KeyStore, read_messages: Callable[[Path, KeyStore], list[Any]]
) -> None:
    folder = shared / "captures/samba"
    summary = write_decrypted([folder / name for name in SYSTEMATIC], samba_keys, str(tmp_path / "plain.pcapng"))
    assert (summary.connections_rewritten, summary.units_decrypted) == (6, 218 + 104)
    assert len(read_messages(tmp_path / "plain.pcapng", KeyStore())) == 224 + 134


def test_the_output_may_lie_in_the_folder_that_is_read(shared: Path, tmp_path: Path, samba_keys: KeyStore) -> None:
    capture = shared / "captures/samba/torture_read_enc.pcapng"
    (tmp_path / "capture.pcapng").write_bytes(capture.read_bytes())
    summary = write_decrypted(tmp_path, samba_keys, tmp_path / "plain.pcapng")
    assert (summary.units_decrypted, summary.packets_passed) == (104, 0)
    assert sorted(os.listdir(tmp_path)) == ["capture.pcapng", "plain.pcapng"]


def test_a_capture_is_not_overwritten_with_its_copy(shared: Path, tmp_path: Path, samba_keys: KeyStore) -> None:
    capture = tmp_path / "capture.pcapng"
    content = (shared / "captures/samba/torture_read_enc.pcapng").read_bytes()
    capture.write_bytes(content)
    (tmp_path / "link").symlink_to(capture)
    for path in (capture, tmp_path / "link"):
        with pytest.raises(UsageError, match="one of the captures that are read"):
            write_decrypted(capture, samba_keys, path)
    assert capture.read_bytes() == content


@pytest.mark.parametrize("source", ["-", io.BytesIO(b"\n\r\r\n"), ["-"], [io.BytesIO()]])
def test_a_stream_is_refused(tmp_path: Path, source: Any) -> None:
    with pytest.raises(UsageError, match="cannot be read twice"):
        write_decrypted(source, KeyStore(), tmp_path / "plain.pcapng")
    assert os.listdir(tmp_path) == []


def test_a_missing_folder_is_the_callers_mistake(shared: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write_decrypted(
            shared / "captures/samba/torture_read_enc.pcapng", KeyStore(), tmp_path / "missing" / "plain.pcapng"
        )


def test_nothing_is_left_behind_when_the_file_cannot_grow(shared: Path, tmp_path: Path, samba_keys: KeyStore) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(UsageError, match="cannot be written"):
            write_decrypted(shared / "captures/samba/torture_read_enc.pcapng", samba_keys, tmp_path / "plain.pcapng")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []
