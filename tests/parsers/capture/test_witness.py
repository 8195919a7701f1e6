"""Real captures and what other programs make of them: tshark, editcap, mergecap, dpkt."""

import gzip
import shutil
import subprocess

import dpkt
import pytest

from parsers.capture.packets import Secrets

pytestmark = pytest.mark.witness

CAPTURES = [
    "samba/krb5_210_signed.pcapng",
    "samba/krb5_aes128_311_enc.pcap",
    "samba/ntlm_311_mixed_sessions.pcapng",
    "samba/torture_lock.pcapng",
    "faults/dmg_enc_snap96.pcapng",
    "faults/net_delay40_loss2_enc.pcapng.gz",
    "faults/ok_notify_pending_enc.pcapng",
    "public/zeek/smb/smb311.pcap",
    "public/zeek/linux_dlt_sll2.pcap",
    "public/zeek/nflog-http.pcap",
    "public/zeek/vlan-pcp-dei.pcapng",
    "public/zeek/trunc/trunc-hdr.pcap",
    "public/zeek/trunc/mpls-6in6-broken.pcap.gz",
    "public/zeek/trunc/ip-discarder-truncated-tcp-oob.pcapng",
]


def run(program, *arguments):
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"needs {program}, which is not installed")
    return subprocess.run([found, *map(str, arguments)], capture_output=True, text=True, check=True).stdout


def seen_by_tshark(path):
    """(number, nanoseconds, length, captured length) of each frame."""
    fields = ("frame.number", "frame.time_epoch", "frame.len", "frame.cap_len")
    rows = []
    for line in run(
        "tshark", "-r", path, "-T", "fields", *(word for field in fields for word in ("-e", field))
    ).splitlines():
        number, time, length, captured = line.split("\t")
        seconds, fraction = time.split(".")
        rows.append((int(number), int(seconds) * 10**9 + int(fraction.ljust(9, "0")), int(length), int(captured)))
    return rows


def seen_by_us(packets):
    return [(p.frame, p.time, p.length, len(p.data)) for p in packets]


@pytest.mark.parametrize("name", CAPTURES)
def test_real_captures_have_the_frames_that_tshark_sees(wire, shared, name):
    path = shared / "captures" / name
    packets, captures = wire.read(path)
    assert seen_by_us(packets) == seen_by_tshark(path)
    assert captures.damage == []


@pytest.mark.parametrize("name", CAPTURES)
def test_real_captures_have_the_bytes_that_dpkt_reads(wire, shared, name):
    path = shared / "captures" / name
    with gzip.open(path) if name.endswith(".gz") else path.open("rb") as file:
        expected = [bytes(data) for _, data in dpkt.pcap.UniversalReader(file)]
    packets, _ = wire.read(path, 5000)
    assert [p.data for p in packets] == expected


@pytest.mark.parametrize("kind", ["pcap", "nsecpcap", "modpcap", "pcapng"])
def test_what_editcap_writes_is_what_it_was_given(wire, shared, tmp_path, kind):
    source = shared / "captures/samba/krb5_210_signed.pcapng"
    original, _ = wire.read(source)
    written = tmp_path / "written"
    run("editcap", "-F", kind, source, written)
    packets, captures = wire.read(written)
    unit = 1 if kind in ("nsecpcap", "pcapng") else 1000
    assert [(p.time, p.data, p.length) for p in packets] == [
        (p.time // unit * unit, p.data, p.length) for p in original
    ]
    assert captures.damage == []


def test_secrets_that_editcap_injects_are_found(wire, shared, tmp_path):
    keys = tmp_path / "keys.log"
    keys.write_bytes(b"CLIENT_RANDOM " + b"11" * 32 + b" " + b"22" * 48 + b"\n")
    written = tmp_path / "written.pcapng"
    source = shared / "captures/samba/krb5_210_signed.pcapng"
    run("editcap", "--inject-secrets", f"tls,{keys}", source, written)
    packets, captures = wire.read(written)
    assert captures.secrets == [Secrets(0x544C534B, keys.read_bytes(), str(written))]
    assert len(packets) == len(wire.read(source)[0])


@pytest.mark.parametrize("window", [20_000, 16 << 20])
def test_captures_of_both_ends_are_merged_as_mergecap_does(wire, shared, tmp_path, window):
    folder = shared / "captures/faults"
    paths = [folder / f"twoside_delay30_loss2{side}.pcapng.gz" for side in ("", "_srv")]
    merged = tmp_path / "merged.pcapng"
    run("mergecap", "-w", merged, *paths)
    packets, captures = wire.read(paths, window)
    expected, _ = wire.read(merged)
    assert [(p.time, p.data, p.interface) for p in packets] == [(p.time, p.data, p.interface) for p in expected]
    assert sum(file.packets for file in captures.files) == len(packets)
    assert all(file.packets > 1000 for file in captures.files)


def test_a_rotated_set_is_the_capture_it_was_cut_from(wire, shared, tmp_path):
    source = shared / "captures/samba/torture_lock.pcapng"
    folder = tmp_path / "set"
    folder.mkdir()
    run("editcap", "-c", "100", source, folder / "part.pcapng")
    assert len(list(folder.iterdir())) > 10
    packets, captures = wire.read(folder)
    assert seen_by_us(packets) == seen_by_us(wire.read(source)[0])
    assert [file.packets for file in captures.files[:-1]] == [100] * (len(captures.files) - 1)
    starts = [file.first_frame for file in captures.files]
    assert starts == list(range(1, len(packets) + 1, 100))


def test_two_captures_behind_each_other_in_one_file_are_two_sections(wire, shared, tmp_path):
    folder = shared / "captures/samba"
    names = ("krb5_210_signed.pcapng", "krb5_rc4_311_enc.pcapng")
    joined = tmp_path / "joined.pcapng"
    joined.write_bytes(b"".join((folder / name).read_bytes() for name in names))
    packets, captures = wire.read(joined)
    assert seen_by_us(packets) == seen_by_tshark(joined)
    assert len(captures.interfaces) == 2
    assert {p.interface for p in packets} == {0, 1}


def test_tshark_reads_what_we_write(wire, shared, tmp_path):
    from parsers.capture.write import PcapngWriter

    source, _ = wire.read(shared / "captures/samba/krb5_210_signed.pcapng")
    written = tmp_path / "written.pcapng"
    with written.open("wb") as file:
        writer = PcapngWriter(file, application="sessionscope", comment="about the file")
        writer.interface(1, name="eth0")
        writer.secrets(0x544C534B, b"# no keys\n")
        for p in source:
            writer.packet(p.time, p.data, original_length=p.length, comment=f"frame {p.frame}")
    assert seen_by_tshark(written) == seen_by_us(source)
    fields = run(
        "tshark", "-r", written, "-T", "fields", "-e", "frame.comment", "-e", "frame.interface_name"
    ).splitlines()
    assert fields == [f"frame {n}\teth0" for n in range(1, len(source) + 1)]
