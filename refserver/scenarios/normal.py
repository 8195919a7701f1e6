"""Ordinary work, which leads to no finding: a user lists a share, reads, writes, renames, deletes, and logs off."""

from parsers.errors import UsageError
from parsers.smb2.crypto import Cipher, SigningAlgorithm
from parsers.smb2.dialects import Dialect
from refserver.client import files
from refserver.client.script import Steps, wait
from refserver.network.client_process import ClientLink
from refserver.network.simulation import SECOND
from refserver.scenarios.scenario import Option, Scenario
from refserver.scenarios.stage import Stage
from refserver.server.config import ServerConfig

__all__ = ["NORMAL"]

DIALECTS = {"2.0.2": 0x0202, "2.1": 0x0210, "3.0": 0x0300, "3.0.2": 0x0302, "3.1.1": 0x0311}
CIPHERS = {
    "aes-128-ccm": Cipher.AES_128_CCM,
    "aes-128-gcm": Cipher.AES_128_GCM,
    "aes-256-ccm": Cipher.AES_256_CCM,
    "aes-256-gcm": Cipher.AES_256_GCM,
}
SIGNING = {
    "hmac-sha256": SigningAlgorithm.HMAC_SHA256,
    "aes-cmac": SigningAlgorithm.AES_CMAC,
    "aes-gmac": SigningAlgorithm.AES_GMAC,
}

_TEN_HOURS = 10 * 3600 * SECOND
_OPTIONS = (
    Option("dialect", "3.1.1", "of the connection", tuple(DIALECTS)),
    Option("cipher", "none", "encrypts everything, from 3.0 on", ("none", *CIPHERS)),
    Option("signing", "aes-gmac", "preferred by both sides of 3.1.1; older dialects have one each", tuple(SIGNING)),
    Option("auth", "ntlm", "how the user logs on", ("ntlm", "kerberos")),
    Option("size", 300_000, "bytes of the file that is written and read"),
    Option("ipv6", default=False, help="addresses of IPv6"),
)


def _normal(stage: Stage) -> None:
    dialect = DIALECTS[stage.options["dialect"]]
    cipher = CIPHERS.get(stage.options["cipher"])
    if cipher is not None and (dialect < Dialect.SMB_3_0 or (dialect < Dialect.SMB_3_1_1 and cipher != 1)):
        raise UsageError(f"SMB {stage.options['dialect']} does not have the cipher {stage.options['cipher']}")

    def change(config: ServerConfig) -> None:
        config.encrypt_data = cipher is not None
        config.require_message_signing = True

    server = stage.server(change=change, address="fd00::1" if stage.options["ipv6"] else "10.0.0.1")
    machine = stage.client(
        "fd00::10" if stage.options["ipv6"] else None,
        dialects=tuple(Dialect(one) for one in DIALECTS.values() if one <= dialect),
        signing_algorithms=(SIGNING[stage.options["signing"]],),
        ciphers=(Cipher.AES_128_GCM if cipher is None else cipher,),
    )
    stage.run(_work(stage, machine.connect(server)))


def _work(stage: Stage, link: ClientLink) -> Steps[None]:
    credential = stage.kerberos(_TEN_HOURS) if stage.options["auth"] == "kerberos" else None
    client, tree = yield from stage.log_on(link, credential)
    if client.dialect <= Dialect.SMB_2_1:
        stage.truth.expect("weak_dialect", "negotiate")
    data = stage.random_bytes("file")(stage.options["size"])
    yield from files.list_directory(client, tree)
    yield from files.get(client, tree, "report.txt")
    yield wait(seconds=2)
    yield from files.put(client, tree, "new.bin", data)
    assert (yield from files.get(client, tree, "new.bin")) == data
    yield wait(seconds=1)
    yield from files.rename(client, tree, "new.bin", "renamed.bin")
    yield from files.list_directory(client, tree)
    yield from files.delete(client, tree, "renamed.bin")
    yield from stage.log_off(client, tree)


NORMAL = Scenario("normal", "ordinary work: list, read, write, rename, delete", _normal, _OPTIONS)
