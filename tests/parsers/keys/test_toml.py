import re
import textwrap
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import UsageError
from parsers.keys.store import Credential, DirectionKeys, KeyStore, SessionKey
from parsers.keys.toml import FileReference, parse

KEY = "b25a135fc3dc14269f20d7cbc8716b6b"
PAGE = Path(__file__).parents[3] / "docs" / "keys.md"


def load(path: Path) -> KeyStore:
    """The keys that stand in a file itself."""
    return parse(path.read_bytes(), path).store


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes keys.toml into the working folder and returns its name."""
    monkeypatch.chdir(tmp_path)

    def write(text: str | bytes) -> Path:
        path = Path("keys.toml")
        path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        return path

    return write


def test_every_kind_of_key_is_read(written):
    store = load(
        written(
            f"""\
            # keys of a test
            [[user]]
            name = "alice"
            domain = "CORPUS"
            password = ""

            [[session]]
            id = "0x0000281cac000069"
            key = "{KEY}"

            [[user]]
            name = "bob"
            nt_hash = "{KEY}"

            [[session]]
            id = 44103609876585
            client_to_server = "{KEY}{KEY}"
            server_to_client = "{KEY.upper()} {KEY}"
            """
        )
    )
    assert store.credentials == (
        Credential("alice", "CORPUS", "", None, "keys.toml line 2"),
        Credential("bob", None, None, bytes.fromhex(KEY), "keys.toml line 11"),
    )
    assert store.session_keys_for(0x281CAC000069) == (
        SessionKey(0x281CAC000069, bytes.fromhex(KEY), "keys.toml line 7"),
    )
    both = bytes.fromhex(KEY + KEY)
    assert store.direction_keys_for(0x281CAC000069) == (DirectionKeys(0x281CAC000069, both, both, "keys.toml line 15"),)


def test_the_examples_of_the_documentation_are_valid(written):
    examples = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(examples) >= 6
    for example in examples:
        found = parse(example.encode(), "keys.toml")
        assert found.store or found.references
    found = parse("\n".join(examples).encode(), "keys.toml")
    assert {reference.kind for reference in found.references} == {"keytab", "ccache", "import", "keylog", "rsa"}
    whole = found.store
    assert len(whole.credentials) == 4
    assert whole.session_keys_for(0x281CAC000069)
    assert whole.direction_keys_for(0x48009400003D)
    assert whole.credentials[2].password == r"C:\temp"


def test_a_file_of_windows_editors_is_read(written):
    store = load(written(b'\xef\xbb\xbf[[user]]\r\nname = "alice"\r\npassword = "x"\r\n'))
    assert store.credentials[0].password == "x"


def test_other_files_are_named_with_their_lines(written):
    text = '[[keytab]]\npath = "a.keytab"\n\n[[import]]\n\npath = "/tmp/b.log"\n[[keytab]]\npath = "../c"\n'
    found = parse(text.encode(), "folder/keys.toml")
    assert not found.store
    assert found.references == [
        FileReference(Path("folder/a.keytab"), "keytab", "folder/keys.toml line 2"),
        FileReference(Path("folder/../c"), "keytab", "folder/keys.toml line 8"),
        FileReference(Path("/tmp/b.log"), "import", "folder/keys.toml line 6"),
    ]


def test_an_empty_file_is_an_empty_store(written):
    assert not load(written(""))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[usr]]\nname = "x"', 'line 1: unknown table "usr"; did you mean "user"?'),
        ("\n[[sessions]]\nid = 1", 'line 2: unknown table "sessions"; did you mean "session"?'),
        (
            'passphrase = "x"',
            'line 1: unknown table "passphrase"; known are user, session, keytab, ccache, keylog, rsa, import',
        ),
        ('[[user]]\n\nnam = "x"', 'line 3: unknown key "nam"; did you mean "name"?'),
        ('[[user]]\nname = "x"\nPassword = "y"', 'line 3: unknown key "Password"; did you mean "password"?'),
        (
            '[[user]]\nname = "a"\npassword = "b"\n[[user]]\nname = "c"\nnthash = "d"',
            'line 6: unknown key "nthash"; did you mean "nt_hash"?',
        ),
        ('[[user]]\npassword = "x"', 'line 1: a user needs a name: name = "alice"'),
        ('[[user]]\n\nname = "x"', 'line 1: user "x" needs either password or nt_hash'),
        (
            f'[[user]]\nname = "x"\npassword = "y"\nnt_hash = "{KEY}"',
            'line 1: user "x" needs either password or nt_hash',
        ),
        ('[[user]]\nname = 5\npassword = "y"', 'line 2: name must be a string: name = "..."'),
        ('[[user]]\nname = "a"\npassword = 1234', 'line 3: password must be a string: password = "..."'),
        (
            "[[user]]\nname = 'CORPUS\\bob'\npassword = 'x'",
            'line 2: write the domain apart: domain = "CORPUS" and name = "alice"',
        ),
        (
            '[[user]]\nname = "bob"\npassword = "C:\\temp"',
            "line 3: password has a control character; write text with backslashes in single quotes",
        ),
        ('[[user]]\nname = "x"\nnt_hash = "abc"', "line 3: nt_hash must have 32 hexadecimal digits"),
        ('[[session]]\nid = 1\nkey = "zz"', "line 3: key must have 32 or 64 hexadecimal digits"),
        ('[[session]]\nid = 1\nkey = "\u00a000"', "line 3: key must have 32 or 64 hexadecimal digits"),
        (
            '[[session]]\nid = "17"\nkey = "zz"',
            'line 2: id must be written like "0x0000281cac000069", or be a number without quotes',
        ),
        (
            "[[session]]\nid = true",
            'line 2: id must be written like "0x0000281cac000069", or be a number without quotes',
        ),
        (f'[[session]]\nkey = "{KEY}"', 'line 1: a session needs its id: id = "0x0000281cac000069"'),
        ("[[session]]\nid = 1", "line 1: a session needs key, or client_to_server and server_to_client"),
        (
            f'[[session]]\nid = 0\nkey = "{KEY}"',
            "line 1: 0x0 is no session id: it must be positive and below 0xffffffffffffffff",
        ),
        (
            f'[[session]]\nid = -4\nkey = "{KEY}"',
            "line 1: -0x4 is no session id: it must be positive and below 0xffffffffffffffff",
        ),
        (
            f'[[session]]\nid = 1\nclient_to_server = "{KEY}"\nserver_to_client = "{KEY}{KEY}"',
            "line 1: the two direction keys of session 0x0000000000000001 have different sizes",
        ),
        ('\n[user]\nname = "a"', "line 2: write [[user]], in double brackets, above each user"),
        ("user = 3", "line 1: write [[user]], in double brackets, above each user"),
        ("\nsession = [1, 2]", "line 2: write [[session]], in double brackets, above each session"),
        ('user = [{name = "x", pass = "y"}]', 'line 1: unknown key "pass"; did you mean "password"?'),
        ('[[keytab]]\nfile = "x"', 'line 2: unknown key "file"; known are path'),
        ("\n[[keytab]]", 'line 2: a keytab needs the path of a file: path = "..."'),
        ('[[ccache]]\npath = ""', 'line 2: a ccache needs the path of a file: path = "..."'),
        ("[[import]]\npath = 5", 'line 2: path must be a string: path = "..."'),
        (
            '[[import]]\npath = "C:\\temp\\new"',
            "line 2: path has a control character; write text with backslashes in single quotes",
        ),
        ("\n[[keylog]]", 'line 2: a keylog needs the path of a file: path = "..."'),
        ("[[rsa]]\npath = 3", 'line 2: path must be a string: path = "..."'),
    ],
)
def test_every_mistake_names_its_line(written, text, message):
    with pytest.raises(UsageError) as raised:
        load(written(text))
    assert str(raised.value) == f"keys.toml {message}"


def test_lines_after_a_multi_line_string_are_right(written):
    text = 'x = 1\n[[user]]\nname = "a"\npassword = """\n[[user]]\nnam = 1\n"""\n'
    with pytest.raises(UsageError, match=r'keys.toml line 1: unknown table "x"'):
        load(written(text))
    with pytest.raises(UsageError, match=r"keys.toml line 4: unknown key"):
        load(written('[[user]]\nname = """\n[[user]]"""\npasword = "x"'))


@pytest.mark.parametrize("text", ["[[user]\n", '[[user]]\nname = "unclosed', "a = [", "\x00", "[[user]]\nname\n"])
def test_what_is_not_toml_is_explained_with_its_line(written, text):
    with pytest.raises(tomllib.TOMLDecodeError):
        tomllib.loads(text)
    with pytest.raises(UsageError, match=r"^keys.toml line [123]: not valid TOML: [^A-Z]"):
        load(written(text))


def test_unreadable_files_are_explained(written):
    with pytest.raises(UsageError, match=r"the key file keys.toml is not UTF-8 text"):
        load(written(b"\xff\xfe"))
    with pytest.raises(UsageError, match=r"the key file keys.toml is nested too deeply"):
        load(written("a = " + "[" * 100_000))


SECRET = st.text(st.characters(codec="utf-8", exclude_characters="\"\\'", exclude_categories=["Cc"]), min_size=4)


@given(SECRET)
def test_no_message_shows_a_secret(secret):
    from tempfile import TemporaryDirectory

    secret = f"<{secret}>"
    with TemporaryDirectory() as folder:
        path = Path(folder) / "keys.toml"
        for text in (
            f'[[user]]\nname = "x"\nnt_hash = "{secret}"',
            f'[[session]]\nid = 1\nkey = "{secret}"',
            f'[[session]]\nid = "{secret}"\nkey = "{secret}"',
            f'[[user]]\nname = "x"\npassword = "{secret}"\nnt_hash = "00"',
            f'[[user]]\nname = "x"\npassword = "{secret}" trailing',
        ):
            path.write_text(text, encoding="utf-8")
            with pytest.raises(UsageError) as raised:
                load(path)
            assert secret not in str(raised.value)


@given(st.text(st.sampled_from("[]\"'=\n userinamedomainpasswordkey0x1{},#."), max_size=60))
def test_any_text_is_a_store_or_a_usage_error(text):
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "keys.toml"
        path.write_text(text, encoding="utf-8")
        try:
            store = load(path)
        except UsageError:
            return
        assert store.credentials is not None
