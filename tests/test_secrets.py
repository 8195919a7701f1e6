"""No secret leaves: every output of every command, table, page, error, log and pickle is searched for every secret.

The secrets are those of two captures: passwords, hashes, keys of sessions, directions, keytabs and tickets, all that is
derived from them, and keys that are wrong. Only `keys export` may show some.
"""

import base64
import io
import json
import logging
import pickle
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analyzer import Analysis, analyze
from analyzer.cli import main
from analyzer.cli.arguments import FORMATS, KEY_TABLES
from analyzer.tables.schema import TABLES
from parsers.errors import UsageError
from parsers.gss.ntlm import crypto as ntlm
from parsers.keys import keytab
from parsers.keys.detect import load_keys
from parsers.keys.export import write_wireshark
from parsers.keys.store import KeyStore, SessionKey

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "tests" / "data"
CAPTURES = (ROOT / "samples" / "ntlm_311_mixed_sessions.pcapng", DATA / "krb5_311_enc_aes-256-ccm.pcapng")
KEYTABS = (DATA / "smbsrv.keytab", DATA / "users.keytab")
KNOWN = json.loads((DATA / "session_keys.json").read_text())
WRONG_PASSWORD = "Wr0ng&secret"
WRONG_HASH, WRONG_KEY = sha256(b"a wrong hash").digest()[:16], sha256(b"a wrong key").digest()

Found = Callable[[bytes], list[str]]


# ----------------------------------------------------------------------------------------------- what is searched for


def written(value: object) -> Iterator[bytes]:
    """The bytes of every key that the descriptions of the captures name."""
    if isinstance(value, dict):
        for name, content in value.items():
            if name not in {"session_id", "source"}:
                yield from written(content)
    elif isinstance(value, list):
        for content in value:
            yield from written(content)
    elif isinstance(value, str) and re.fullmatch("(?:[0-9a-f]{32}){1,2}", value):
        yield bytes.fromhex(value)


def derived(analysis: Analysis) -> Iterator[bytes]:
    """Every key that the analysis holds, proved or not."""
    for session in analysis._decoded.smb2.tracker.sessions:
        yield from (
            session.session_key, session.full_session_key, session.signing_key, session.application_key,
            session.encryption_key, session.decryption_key,
        )  # fmt: skip
        yield from (channel.signing_key for channel in session.channel_list)
        for candidate in session.candidates:
            keys = candidate.keys
            yield from (keys.signing, keys.application, keys.client_to_server, keys.server_to_client)
            yield candidate.session_key
        if session.ticket is not None:
            yield session.ticket.session_key.keyvalue


def secrets_of(*analyses: Analysis) -> set[bytes]:
    passwords = [user["password"] for name in ("ntlm_311_mixed_sessions",) for user in KNOWN[name]["users"].values()]
    passwords.append(WRONG_PASSWORD)
    secrets = {WRONG_HASH, WRONG_KEY, WRONG_KEY[:16], *written(KNOWN)}
    secrets |= {entry.key for path in KEYTABS for entry in keytab.load(path)}
    for password in passwords:
        nt_hash = ntlm.nt_owf_v1(password=password)
        secrets |= {password.encode(), password.encode("utf-16-le"), nt_hash}
        secrets |= {ntlm.nt_owf_v2(nt_hash=nt_hash, user=user, domain="CORPUS") for user in ("alice", "bob")}
    secrets |= {key for analysis in analyses for key in derived(analysis) if key}
    return secrets


def forms(secret: bytes) -> Iterator[bytes]:
    """Every way in which somebody might write it."""
    for data in (secret, secret[::-1]):
        yield data
        yield repr(data)[2:-1].encode()
        yield str(list(data))[1:-1].encode()
        for separator in ("", " ", ":", ", 0x"):
            text = separator.join(f"{byte:02x}" for byte in data)
            yield text.encode()
            yield text.upper().encode()
        for encoded in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
            yield encoded.rstrip(b"=")
        yield str(int.from_bytes(data, "big")).encode()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key file with every kind of key, right ones and wrong ones, and files of other kinds that it names."""
    folder = tmp_path_factory.mktemp("keys")
    sessions = KNOWN["ntlm_311_mixed_sessions"]["sessions"]
    (first, second, *others) = sessions
    table = [(int(s["session_id"], 16), bytes.fromhex(s["session_key"]), None, None) for s in others]
    write_wireshark(folder / "seskeys", table)
    (folder / "hashes").write_text(f"CORPUS\\bob:{KNOWN['ntlm_311_mixed_sessions']['users']['bob']['nt_hash']}\n")
    kerberos = KNOWN["krb5_311_enc_aes-256-ccm"]["sessions"][0]
    text = f"""
[[user]]
name = "alice"
domain = "CORPUS"
password = "Passw0rd!"
[[session]]
id = "{first["session_id"]}"
key = "{first["session_key"]}"
[[session]]
id = "{second["session_id"]}"
client_to_server = "{second["server_in_key"]}"
server_to_client = "{second["server_out_key"]}"
[[session]]
id = "{kerberos["session_id"]}"
key = "{kerberos["session_key"][:32]}"
[[keytab]]
path = "{KEYTABS[0]}"
[[import]]
path = "seskeys"
[[import]]
path = "hashes"
"""
    (folder / "keys.toml").write_text(text)
    return folder / "keys.toml"


@pytest.fixture(scope="module")
def wrong_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wrong")
    sessions = [(0xE58FAEA7, WRONG_KEY[:16]), (0x53210DAF, WRONG_KEY), (0x99, WRONG_KEY)]
    tables = "".join(f'[[session]]\nid = "0x{number:016x}"\nkey = "{key.hex()}"\n' for number, key in sessions)
    directions = f'[[session]]\nid = 0x587D3960\nclient_to_server = "{WRONG_KEY.hex()}"\n'
    users = f'[[user]]\nname = "alice"\npassword = "{WRONG_PASSWORD}"\n'
    hashes = f'[[user]]\nname = "bob"\nnt_hash = "{WRONG_HASH.hex()}"\n'
    imports = f'[[keytab]]\npath = "{KEYTABS[1]}"\n'
    (folder / "keys.toml").write_text(tables + directions + users + hashes + imports)
    return folder / "keys.toml"


@pytest.fixture(scope="module")
def analyses(keys: Path, wrong_keys: Path) -> list[Analysis]:
    return [analyze(CAPTURES, keys=keys), analyze(CAPTURES, keys=wrong_keys)]


@pytest.fixture(scope="module")
def found(analyses: list[Analysis]) -> Found:
    """found(data): what of the secrets is in it."""
    wanted = {form for secret in secrets_of(*analyses) for form in forms(secret)}
    assert len(wanted) > 1000
    assert min(map(len, wanted)) >= 8
    by_head: dict[bytes, list[bytes]] = {}
    for form in wanted:
        by_head.setdefault(form[:8], []).append(form)
    heads = np.sort(np.frombuffer(b"".join(by_head), np.uint64))

    def search(data: bytes) -> list[str]:
        if len(data) < 8:
            return []
        # Eight bytes from every place, looked up at once: a regular expression of all heads takes minutes.
        windows = np.ndarray(len(data) - 7, np.uint64, data, strides=(1,))
        near = np.minimum(np.searchsorted(heads, windows), len(heads) - 1)
        places = np.flatnonzero(heads[near] == windows).tolist()
        return [
            repr(form) for place in places for form in by_head[data[place : place + 8]] if data.startswith(form, place)
        ]

    return search


# ----------------------------------------------------------------------------------------------- the search itself


def test_the_search_finds_every_form(found: Found) -> None:
    key = bytes.fromhex(KNOWN["ntlm_311_mixed_sessions"]["sessions"][0]["signing_key"])
    for form in forms(key):
        assert found(b"some text before " + form + b" and after")
    for text in ("Passw0rd!", WRONG_PASSWORD):
        assert found(text.encode())
        assert found(text.encode("utf-16-le"))
        assert found(base64.b64encode(text.encode()))
    assert not found(b"an innocent text with an id 0x00000000e58faea7 and a number 1234567890123456789012345678901")


def test_the_keys_are_used(analyses: list[Analysis]) -> None:
    right, wrong = analyses
    kinds = set("; ".join(right.keys.kind.dropna()).split("; "))
    assert kinds >= {"password", "session key", "direction keys", "keytab key"}
    assert (right.sessions.decryption.isin(["decrypted", "plaintext"])).all()
    assert wrong.keys.entry.isna().all()
    assert (wrong.sessions.decryption == "wrong_key").sum() >= 3


def test_exported_keys_are_found_so_the_search_works(keys: Path, tmp_path: Path, found: Found) -> None:
    for kind in ("toml", "wireshark"):
        path = tmp_path / kind
        words = ["keys", "export", *map(str, CAPTURES), "--keys", str(keys), "--format", kind, "-o", str(path)]
        assert main(words) == 0
        assert len(found(path.read_bytes())) > 10


# ----------------------------------------------------------------------------------------------- commands


def commands_of(help_text: str) -> set[str]:
    return set(re.findall(r"^    ([a-z_-]+)(?:\s|$)", help_text, re.MULTILINE))


COMMANDS = {"findings": "diagnose"}  # of tables that are not commands themselves
FINE = (0, 1, 4)  # diagnose says by its code how bad it is


def runs(output: Path) -> Iterator[list[str]]:
    """Every command in every form, without captures and keys."""
    for table in TABLES:
        command = ["keys", "check", "--table", table] if table in KEY_TABLES else [COMMANDS.get(table, table)]
        for kind in FORMATS:
            yield [*command, "--format", kind, "-o", str(output / f"{table}.{kind}")]
    yield ["keys", "check"]
    yield ["latency", "--by", "command,client"]
    yield ["report", "-o", str(output / "report.html")]
    yield ["decrypt", "-o", str(output / "plain.pcapng")]
    yield ["extract", "-o", str(output / "files"), "--pipes"]
    yield ["sessions", "--where", "user == 'Passw0rd'"]


OTHERS = {
    "describe", "generate", "serve", "completion", "live",  # which read no captures
    "compare", "compare-with-tshark",  # which read another number of them, see below
}  # fmt: skip


def test_every_command_is_searched(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--help"]) == 0
    commands = commands_of(capfd.readouterr().out)
    assert commands == {run[0] for run in runs(tmp_path)} | OTHERS
    assert main(["keys", "--help"]) == 0
    assert commands_of(capfd.readouterr().out) == {"check", "export"}


@pytest.mark.parametrize("kind", ["text", "json"])
def test_no_comparison_shows_a_secret(
    kind: str, keys: Path, capfdbinary: pytest.CaptureFixture[bytes], found: Found
) -> None:
    capture = str(CAPTURES[0])
    for mode in ("two-sides", "before-after"):
        assert main(["compare", capture, capture, "--keys", str(keys), "--mode", mode, "--format", kind]) == 0
        assert found(b"\0".join(capfdbinary.readouterr())) == []


@pytest.mark.parametrize("kind", ["right", "wrong", "command line"])
def test_no_output_of_a_command_shows_a_secret(
    kind: str, keys: Path, wrong_keys: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes],
    caplog: pytest.LogCaptureFixture, found: Found,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    users = KNOWN["ntlm_311_mixed_sessions"]["users"]
    given = {
        "right": ["--keys", str(keys)],
        "wrong": ["--keys", str(wrong_keys)],
        "command line": [
            "--password", f"CORPUS\\alice:{users['alice']['password']}", "--nt-hash", f"bob:{users['bob']['nt_hash']}",
            "--keytab", str(KEYTABS[0]),
        ],
    }[kind]  # fmt: skip
    for run in runs(tmp_path):
        assert main([*run, *map(str, CAPTURES), *given]) in (FINE if run[0] == "diagnose" else (0,)), run
        assert found(b"\0".join(capfdbinary.readouterr())) == [], run
    paths = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(paths) > len(TABLES) * len(FORMATS)
    for path in paths:
        assert found(path.read_bytes()) == [], path
        if path.suffix == ".parquet":  # whose pages are compressed
            assert found(pd.read_parquet(path).to_csv().encode()) == [], path
    assert found(caplog.text.encode()) == []


# ----------------------------------------------------------------------------------------------- mistakes


def told(error: BaseException | None) -> bytes:
    """The messages of an error and of those behind it."""
    return b"" if error is None else repr(error).encode() + told(error.__cause__) + told(error.__context__)


HASH = KNOWN["ntlm_311_mixed_sessions"]["users"]["alice"]["nt_hash"]
SPACED = bytes.fromhex(HASH).hex(" ")
MISTAKES = {
    "toml": '[[user]]\nname = "alice"\npassword = "Passw0rd!\n',
    "toml with a line too many": f'[[user]]\nname = "alice"\npassword = "Passw0rd!" "{HASH}"\n',
    "unknown key": f'[[user]]\nname = "alice"\nnthash = "{HASH}"\n',
    "unknown table": f'[[usr]]\nname = "alice"\nnt_hash = "{HASH}"\n',
    "both": f'[[user]]\nname = "alice"\npassword = "Passw0rd!"\nnt_hash = "{HASH}"\n',
    "key as id": f'[[session]]\nid = "{HASH}"\nkey = "{HASH}"\n',
    "odd digits": f'[[session]]\nid = 1\nkey = "{HASH}0"\n',
    "two sizes": f'[[session]]\nid = 1\nclient_to_server = "{HASH}"\nserver_to_client = "{HASH}{HASH}"\n',
    "tls": f'[[keylog]]\npath = "x"\nsecret = "{HASH}"\n',
    "hash list": f"alice:{HASH}\nbob {HASH}\n",
    "wireshark": f"690000ac1c280000,{HASH}zz,,\n",
    "wireshark id": f"690000ac1c280000,{HASH},{HASH}\n",
    "samba": f"Session Id    [0000] 38 30 74 05 00 00 00 00\nServerIn Key  [0000] {SPACED}\n[0010] {SPACED[:-2]}zz\n",
    "linux": f"Session Id: 69 00 00 ac 1c 28 00 00\nSession Key: {SPACED} zz\n",
    "nss": f"CLIENT_RANDOM {HASH}{HASH} {HASH}{HASH}{HASH} x\n",
    "no format": f"Passw0rd! {HASH}\n",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_no_message_about_a_key_file_shows_a_secret(
    name: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], found: Found
) -> None:
    path = tmp_path / "given"
    path.write_text(MISTAKES[name])
    assert found(MISTAKES[name].replace(" zz", "").encode())
    assert main(["keys", "check", str(CAPTURES[0]), "--keys", str(path)]) == 2
    assert found(b"\0".join(capfdbinary.readouterr())) == []
    with pytest.raises(UsageError) as raised:
        load_keys(path)
    assert found(told(raised.value)) == []


@pytest.mark.parametrize(
    "words",
    [
        ["--password", "Passw0rd!"],
        ["--password", ":Passw0rd!"],
        ["--password", "carol:Passw0rd!"],
        ["--nt-hash", HASH],
        ["--nt-hash", f"alice:{HASH}0"],
        ["--nt-hash", f"carol:{HASH}"],
        ["--passwd", "alice:Passw0rd!"],
        [f"--nthash=alice:{HASH}"],
        ["--hash", f"alice:{HASH}", "--strict"],
    ],
)
def test_no_message_about_an_option_shows_a_secret(
    words: list[str], capfdbinary: pytest.CaptureFixture[bytes], found: Found
) -> None:
    assert main(["sessions", str(CAPTURES[0]), *words]) == 2
    assert found(b"\0".join(capfdbinary.readouterr())) == []


def test_no_damaged_keytab_shows_its_keys(tmp_path: Path, found: Found) -> None:
    data = KEYTABS[0].read_bytes()
    for size in range(3, len(data), 7):
        (tmp_path / "keytab").write_bytes(data[:size])
        with suppress(UsageError):
            assert found(repr(load_keys(tmp_path / "keytab")).encode()) == []
            continue
        with pytest.raises(UsageError) as raised:
            load_keys(tmp_path / "keytab")
        assert found(told(raised.value)) == []


# ----------------------------------------------------------------------------------------------- objects


def reachable(*roots: object) -> list[object]:
    """Everything of this project's classes that can be reached from the roots."""
    seen: dict[int, object] = {}
    waiting = list(roots)
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, type | str | bytes | int | float | None):
            continue
        seen[id(thing)] = thing
        if isinstance(thing, dict):
            waiting += [*thing.keys(), *thing.values()]
        elif isinstance(thing, list | tuple | set | frozenset):
            waiting += thing
        if type(thing).__module__.partition(".")[0] in {"parsers", "analyzer"}:
            waiting += vars(thing).values() if hasattr(thing, "__dict__") else ()
            slots = (name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ()))
            waiting += (getattr(thing, name) for name in slots if hasattr(thing, name))
    return [thing for thing in seen.values() if type(thing).__module__.partition(".")[0] in {"parsers", "analyzer"}]


def pickled(thing: object) -> Iterator[bytes]:
    """The object in pickles of every protocol, as far as it can be pickled."""
    for protocol in (0, 2, pickle.HIGHEST_PROTOCOL):
        try:
            yield pickle.dumps(thing, protocol)
        except (TypeError, AttributeError, pickle.PicklingError, RecursionError) as error:
            yield str(error).encode()


def test_no_object_shows_or_gives_away_a_secret(analyses: list[Analysis], found: Found) -> None:
    store = KeyStore()
    store.add(SessionKey(0x99, WRONG_KEY))
    things = reachable(*analyses, store)
    names = {type(thing).__name__ for thing in things}
    assert names >= {
        "Analysis", "Decoded", "KeyStore", "Credential", "SessionKey", "DirectionKeys", "KeytabEntry", "KeyFinder",
        "SessionTracker", "SmbConnection", "Session", "Channel", "Candidate", "Proof", "SessionKeys", "Signer",
        "Decryptor", "OpenedTicket", "EncryptionKey",
    }  # fmt: skip
    for thing in things:
        for text in {repr(thing), str(thing)}:
            assert found(text.encode("utf-8", "surrogatepass")) == [], type(thing)
        for data in pickled(thing):
            assert found(data) == [], type(thing)


def shown(frame: pd.DataFrame) -> Iterable[bytes]:
    """A table in every form that pandas gives it."""
    file = io.BytesIO()
    frame.to_parquet(file, compression=None)
    yield file.getvalue()
    yield pickle.dumps(frame)
    yield from (text.encode() for text in (repr(frame), frame.to_csv(), frame.to_html(), frame.to_string()))
    yield json.dumps(frame.astype(str).to_dict()).encode()
    yield str(frame.attrs).encode()


@pytest.mark.parametrize("table", TABLES)
def test_no_table_shows_a_secret(table: str, analyses: list[Analysis], found: Found) -> None:
    for analysis in analyses:
        for data in shown(getattr(analysis, table)):
            assert found(data) == []


def test_no_page_shows_a_secret(analyses: list[Analysis], found: Found) -> None:
    for analysis in analyses:
        for text in (analysis._repr_html_(), repr(analysis), *analysis.notes):
            assert found(text.encode()) == []


def test_no_error_of_the_library_shows_a_secret(found: Found, tmp_path: Path) -> None:
    mistakes: list[Callable[[], Any]] = [
        lambda: analyze(CAPTURES[0], passwords=["Passw0rd!"]),
        lambda: analyze(CAPTURES[0], nt_hashes=[f"alice:{HASH}00"]),
        lambda: analyze(CAPTURES[0], keys=KeyStore(), passwords=["alice:Passw0rd!"]),
        lambda: SessionKey(1, WRONG_KEY[:15]),
        lambda: SessionKey(0, WRONG_KEY),
        lambda: analyze(CAPTURES[0]).export_keys(tmp_path / "out", WRONG_PASSWORD[:3]),
    ]
    for mistake in mistakes:
        with pytest.raises(UsageError) as raised:
            mistake()
        assert found(told(raised.value)) == []
