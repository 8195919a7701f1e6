"""What can be opened: files of every kind, folders, streams; and the sentence for what cannot."""

import gzip
import io
import lzma
import random
import sys

import lz4.frame
import pytest
import zstandard

from parsers.capture.open import open_captures
from parsers.errors import UsageError

BEGIN = 1_700_000_000
COMPRESS = {
    "gz": gzip.compress,
    "zst": zstandard.ZstdCompressor().compress,
    "lz4": lz4.frame.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
}


def capture(wire, texts, first_second=BEGIN):
    """A pcap file, one packet a second."""
    records = [wire.record(text.encode(), first_second + n, 0) for n, text in enumerate(texts)]
    return wire.pcap_header() + b"".join(records)


def texts(packets):
    return [packet.data.decode() for packet in packets]


def refusal(sources):
    with pytest.raises(UsageError) as error:
        open_captures(sources)
    return str(error.value)


@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize("window", [50, 16 << 20])
def test_a_compressed_capture_gives_the_packets_of_the_plain_one(wire, stored, ending, window):
    plain = capture(wire, [str(n) for n in range(1000)])
    path = stored(f"a.pcap.{ending}", COMPRESS[ending](plain))
    packets, captures = wire.read(path, window)
    assert packets == wire.read(plain)[0]
    assert captures.damage == []
    assert [(file.name, file.format, file.packets) for file in captures.files] == [(str(path), "pcap", 1000)]


@pytest.mark.parametrize("ending", COMPRESS)
def test_a_compressed_capture_that_is_cut_gives_what_can_be_read_and_says_so(wire, stored, ending):
    chance = random.Random(4)
    records = [wire.enhanced(chance.randbytes(1000), n) for n in range(3000)]
    data = COMPRESS[ending](wire.section() + wire.interface() + b"".join(records))
    packets, captures = wire.read(stored("a", data[: len(data) // 2]))
    assert 1000 < len(packets) < 2000
    assert "stream ends in the middle" in captures.damage[0].reason
    readable = captures.damage[0].offset
    at = readable - (readable - 48) % len(records[0])
    assert [(d.offset, d.reason) for d in captures.damage[1:]] == [(at, "cut off in the middle of a packet")]


def test_the_content_tells_what_a_file_is_and_not_its_name(wire, stored):
    path = stored("capture.pcap", wire.section() + wire.interface() + wire.enhanced(b"x", 1))
    packets, captures = wire.read(path)
    assert (texts(packets), captures.files[0].format) == (["x"], "pcapng")


def test_standard_input_is_read(wire, monkeypatch):
    data = gzip.compress(capture(wire, ["a", "b"]))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    packets, captures = wire.read("-", 40)
    assert texts(packets) == ["a", "b"]
    assert captures.files[0].name == "standard input"


class Trickle(io.RawIOBase):
    """A pipe that gives three bytes at a time and cannot go back."""

    def __init__(self, data):
        self._data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, view):
        return self._data.readinto(memoryview(view)[:3])


def test_a_stream_that_gives_few_bytes_at_a_time_is_read(wire):
    packets, captures = wire.read(Trickle(capture(wire, ["one", "two", "three"])))
    assert texts(packets) == ["one", "two", "three"]
    assert captures.damage == []


def test_an_open_file_is_read_from_where_it_stands_and_left_open(wire, stored):
    path = stored("a", b"skip" + capture(wire, ["a"]))
    with path.open("rb") as file:
        file.seek(4)
        packets, captures = wire.read(file)
        assert not file.closed
    assert texts(packets) == ["a"]
    assert captures.files[0].name == str(path)


def test_streams_and_paths_are_put_in_order_of_time(wire, stored):
    late = stored("late", capture(wire, ["c"], BEGIN + 100))
    early = stored("early", capture(wire, ["a"], BEGIN))
    packets, captures = wire.read([late, io.BytesIO(capture(wire, ["b"], BEGIN + 50)), str(early)])
    assert texts(packets) == ["a", "b", "c"]
    assert [file.name for file in captures.files] == [str(late), "a file object", str(early)]
    assert [file.first_frame for file in captures.files] == [3, 2, 1]


def test_a_folder_means_the_captures_in_it_and_nothing_else(wire, stored, tmp_path):
    stored("set/2.pcap", capture(wire, ["b"], BEGIN + 10))
    stored("set/1.pcap.gz", gzip.compress(capture(wire, ["a"], BEGIN)))
    stored("set/notes.txt", b"not a capture")
    stored("set/empty.pcap", b"")
    stored("set/logs.gz", gzip.compress(b"not a capture"))
    stored("set/broken.gz", gzip.compress(b"x")[:11])
    stored("set/deeper/3.pcap", capture(wire, ["c"]))
    packets, captures = wire.read(tmp_path / "set")
    assert texts(packets) == ["a", "b"]
    assert [file.name.rpartition("/")[2] for file in captures.files] == ["1.pcap.gz", "2.pcap"]


def test_what_cannot_be_opened_is_refused_in_one_sentence_that_names_it(wire, stored, tmp_path):
    twice = gzip.compress(gzip.compress(capture(wire, ["a"])))
    cases = {
        "missing": (tmp_path / "missing.pcap", "cannot be opened (No such file or directory)"),
        "empty": (stored("empty", b""), "is empty"),
        "text": (stored("text", b"GET / HTTP/1.1"), "is not a capture (it begins with 47 45 54 20 2f 20)"),
        "short": (stored("short", b"\x0a\x0d\x0d"), "is not a capture"),
        "twice": (stored("twice", twice), "is compressed twice"),
        "hollow": (stored("hollow", gzip.compress(b"")), "is empty"),
        "stump": (stored("stump", gzip.compress(b"x" * 99)[:12]), "cannot be read (the gzip stream ends"),
    }
    for path, words in cases.values():
        message = refusal(path)
        assert message.startswith(str(path))
        assert words in message
        assert "\n" not in message
        assert message == refusal([path])


def test_a_folder_without_captures_is_refused(stored, tmp_path):
    stored("set/notes.txt", b"not a capture")
    assert refusal(tmp_path / "set").startswith(f"no file in the folder {tmp_path / 'set'} is a capture")


def test_nothing_to_open_and_what_is_no_file_are_refused(stored):
    assert "no capture" in refusal([])
    assert "binary mode" in refusal(io.StringIO("text"))
    assert "binary mode" in refusal([io.StringIO("text")])
    assert "give a path" in refusal(7)
    with pytest.raises(UsageError, match="window of 0 bytes"):
        open_captures(stored("a", b""), window=0)


def test_an_unreadable_file_is_refused_even_in_a_folder(wire, stored, tmp_path):
    path = stored("set/a.pcap", capture(wire, ["a"]))
    path.chmod(0)
    try:
        path.open("rb").close()
    except PermissionError:
        assert "Permission denied" in refusal(tmp_path / "set")
    else:
        pytest.skip("this user may read every file")


class FailingDisk(io.RawIOBase):
    def __init__(self, data):
        self._data = io.BytesIO(data)

    def readinto(self, view):
        count = self._data.readinto(view)
        if not count:
            raise OSError(5, "Input/output error")
        return count


def test_a_disk_that_fails_leaves_what_was_read(wire):
    data = capture(wire, ["a", "b"])
    packets, captures = wire.read(FailingDisk(data))
    assert texts(packets) == ["a", "b"]
    assert [(d.offset, d.reason) for d in captures.damage] == [
        (len(data), "no more can be read: [Errno 5] Input/output error")
    ]


def test_files_count_their_packets_and_know_their_times(wire, stored):
    first = stored("1", capture(wire, ["a", "b", "c"], BEGIN))
    second = stored("2", capture(wire, [], BEGIN))
    third = stored("3", capture(wire, ["d"], BEGIN + 1))
    _, captures = wire.read([first, second, third])
    found = [(f.first_frame, f.packets, f.first_time, f.last_time) for f in captures.files]
    assert found == [
        (1, 3, BEGIN * 10**9, (BEGIN + 2) * 10**9),
        (None, 0, None, None),
        (2, 1, (BEGIN + 1) * 10**9, (BEGIN + 1) * 10**9),
    ]
