"""Key logs of TLS: every form of line, what is wrong with one, and those of other people."""

import pytest

from parsers.errors import UsageError
from parsers.keys.nss_key_log import parse
from parsers.keys.store import TlsSecret

RANDOM, MASTER, SECRET = "ab" * 32, "cd" * 48, "ef" * 32
LINES = {
    f"CLIENT_RANDOM {RANDOM} {MASTER}": ("CLIENT_RANDOM", RANDOM, MASTER),
    f"CLIENT_TRAFFIC_SECRET_0 {RANDOM} {SECRET}": ("CLIENT_TRAFFIC_SECRET_0", RANDOM, SECRET),
    f"QUIC_SERVER_TRAFFIC_SECRET_0 {RANDOM} {MASTER}": ("QUIC_SERVER_TRAFFIC_SECRET_0", RANDOM, MASTER),
    f"RSA {'12' * 8} {MASTER}": ("RSA", "12" * 8, MASTER),
    f"RSA Session-ID:{RANDOM} Master-Key:{MASTER}": ("Session-ID", RANDOM, MASTER),
}


@pytest.mark.parametrize("line", LINES)
def test_every_form_of_line(line: str) -> None:
    label, identifier, secret = LINES[line]
    (found,) = parse(["# comment", "", f" {line.upper() if 'Session' not in line else line} "], "log")
    assert isinstance(found, TlsSecret)
    assert (found.label, found.identifier.hex(), found.secret.hex()) == (label, identifier, secret)
    assert found.provenance == "log line 3"
    assert secret not in repr(found)


@pytest.mark.parametrize(
    "line",
    ["x", f"CLIENT_RANDOM {RANDOM}", f"CLIENT_RANDOM {RANDOM} {SECRET}0", f"client_random {RANDOM} {SECRET}",
     f"CLIENT_RANDOM {RANDOM} {SECRET} more", f"A{'B' * 64} {RANDOM} {SECRET}", f"CLIENT_RANDOM {RANDOM} {'ab' * 65}"],
)  # fmt: skip
def test_what_is_no_such_line(line: str) -> None:
    with pytest.raises(UsageError, match="log line 2: a line of a key log") as raised:
        parse(["#", line], "log")
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("file", "labels"),
    [
        ("public/illustrated-tls13/keylog.txt", {"SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0"}),
        ("public/keys/zeek-tls12-decryption.keylog", {"CLIENT_RANDOM"}),
    ],
)
def test_the_logs_of_others(shared, file: str, labels: set[str]) -> None:
    lines = (shared / "captures" / file).read_text().splitlines()
    found = list(parse(lines, "log"))
    assert len(found) == sum(1 for line in lines if line.strip() and not line.startswith("#"))
    assert labels <= {secret.label for secret in found}
