"""The frame of a scenario: what it declares, the stage it plays on, and the three files that it leaves.

A scenario is a function that gets a `Stage`, sets up hosts on it, and runs scripts of clients against a server
(`refserver.client.script`), in virtual time. What passes over the wire is noted by itself; the scenario adds what only
it knows, and which findings an analyzer has to make of it.

    def _late(stage: Stage) -> None:
        server = stage.server()

        def work(link: ClientLink) -> Steps[None]:
            client, tree = yield from stage.log_on(link)
            file = yield client.create(tree, "report.txt")
            server.delay_next(stage.seconds("delay"))       # the next request is worked on late
            request = client.read(file, 0, 100)
            yield request
            stage.truth.note(
                "request", stage.now, stage.place_of(link, request),
                session_id=tree.session.session_id, text="READ", findings=("server_stalled",),
            )
            yield from stage.log_off(client, tree)

        stage.run(work(stage.client().connect(server)))

    LATE = Scenario("late", "a READ that the server answers late", _late, (Option("delay", 20.0, "seconds"),))

`refserver.scenarios.registry` lists it, and then `sessionscope generate late -o late.pcapng --set delay=30` plays it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from parsers.capture.write import PcapngWriter
from parsers.errors import UsageError
from parsers.keys import keytab
from parsers.keys.export import toml_table
from refserver.network.observer import Observer
from refserver.network.simulation import SECOND
from refserver.scenarios.stage import DOMAIN, Stage

__all__ = ["COMMON", "Option", "Scenario", "Trace"]

_BEGIN = 1_767_600_000 * SECOND  # 2026-01-05 08:00:00 UTC, a Monday

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Option:
    """Something that may be set; its default says of what type it is. `choices`, if there are any, are all there is."""

    name: str
    default: Value
    help: str
    choices: tuple[Value, ...] = ()

    def parse(self, text: str) -> Value:
        """The value that somebody wrote.

        Raises:
            UsageError: it is none of this option.
        """
        try:
            value: Value = _truth_value(text) if isinstance(self.default, bool) else type(self.default)(text)
        except ValueError:
            raise UsageError(f"{self.name}={text}: {type(self.default).__name__} was expected") from None
        if self.choices and value not in self.choices:
            raise UsageError(f"{self.name}={text}: it is one of {', '.join(map(str, self.choices))}")
        return value


COMMON = (
    Option("latency", 0.2, "milliseconds that a packet takes, one way"),
    Option("bandwidth", 1000.0, "megabits a second, each way"),
    Option("loss", 0.0, "probability that the network loses a packet"),
    Option("reorder", 0.0, "probability that a packet is overtaken"),
    Option("duplicate", 0.0, "probability that a packet comes twice"),
    Option("capture_at", "client", "where the capture is made", ("client", "server")),
    Option("capture_loss", 0.0, "probability that the capture misses a packet"),
    Option("capture_skip", 0.0, "seconds after which the capture begins"),
    Option("snaplen", 0, "bytes of each packet that are captured; 0 is all"),
    Option("interfaces", 1, "2 captures each packet on two interfaces", (1, 2)),
)
"""What every scenario can be told: the network, and what the capture lacks. The truth is told of what happened."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What a run leaves besides the capture.

    Attributes:
        truth: the document of truth.json.
        keys: the text of a key file that opens every session; it names the keytab, if there is one.
        keytab: the bytes of the server's keytab, empty if no one has used Kerberos.
    """

    truth: dict[str, Any]
    keys: str
    keytab: bytes


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something that can be played.

    Attributes:
        name: for the command line: lower case, words joined by "_".
        summary: what happens, in one line.
        play: sets up the stage and lets it happen.
        options: of its own, besides `COMMON`; they may have other defaults for these.
        begin: when it starts, nanoseconds since 1970.
    """

    name: str
    summary: str
    play: Callable[[Stage], None]
    options: tuple[Option, ...] = ()
    begin: int = field(default=_BEGIN)

    @property
    def all_options(self) -> dict[str, Option]:
        """Its options by name, those of every scenario included."""
        return {option.name: option for option in (*COMMON, *self.options)}

    def parse(self, settings: Sequence[str]) -> dict[str, Value]:
        """Values of options from texts `name=value`; those that are not named are left out.

        Raises:
            UsageError: there is no such option, or the value does not fit.
        """
        values: dict[str, Value] = {}
        known = self.all_options
        for setting in settings:
            name, equals, text = setting.partition("=")
            if name not in known:
                raise UsageError(f"{self.name} has no option {name!r}; it has {', '.join(known)}")
            if not equals:
                raise UsageError(f"write {name}=VALUE")
            values[name] = known[name].parse(text)
        return values

    def generate(
        self,
        capture: BinaryIO,
        *,
        seed: int = 1,
        values: Mapping[str, Value] | None = None,
        keytab_name: str = "server.keytab",
    ) -> Trace:
        """Play it; the same seed and values give the same bytes.

        Args:
            capture: open for writing; gets a pcapng capture.
            seed: of everything random.
            values: options that are not to have their default.
            keytab_name: what the key file is to call the keytab.
        """
        options = {name: option.default for name, option in self.all_options.items()} | dict(values or {})
        stage = Stage(seed, self.begin, options)
        comment = f"{self.summary} (scenario {self.name}, seed {seed})"
        writer = PcapngWriter(capture, application="sessionscope generate", comment=comment)
        observer = Observer(
            stage.simulation,
            writer,
            interfaces=("eth0", "eth1")[: int(options["interfaces"])],
            snaplen=int(options["snaplen"]),
            begin=self.begin + round(float(options["capture_skip"]) * SECOND),
            loss=float(options["capture_loss"]),
        )
        stage.observe(observer, at_server=options["capture_at"] == "server")
        self.play(stage)
        stage.settle()
        head = {"scenario": self.name, "summary": self.summary, "seed": seed, "options": options}
        service_keys = stage.service_keys
        tables = [*map(toml_table, stage.keys), *(_user(name, secret) for name, secret in stage.passwords.items())]
        if service_keys:
            tables.append(f'[[keytab]]\npath = "{keytab_name}"\n')
        truth = head | stage.truth.document(observer)
        return Trace(truth, "\n".join(tables), keytab.build(service_keys) if service_keys else b"")


def _user(name: str, password: str) -> str:
    return f"[[user]]\nname = '{name}'\ndomain = '{DOMAIN}'\npassword = '{password}'\n"


def _truth_value(text: str) -> bool:
    values = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if text.lower() not in values:
        raise ValueError
    return values[text.lower()]
