"""Two captures of one transfer, 30 ms and 2 % loss between them. Witness: the emulator counted what it dropped."""

import json
from pathlib import Path

import pandas as pd
import pytest

from analyzer import Analysis, analyze
from analyzer.compare import TWO_SIDES, Comparison

NAME = "twoside_delay30_loss2"


@pytest.fixture(scope="module")
def client_side(shared: Path) -> Analysis:
    return analyze(shared / "captures" / "faults" / f"{NAME}.pcapng.gz")


@pytest.fixture(scope="module", params=[("_srv", 0), ("_srv_shift3217", 3_217)], ids=["together", "shifted"])
def server_side(request: pytest.FixtureRequest, shared: Path) -> tuple[Analysis, pd.Timedelta]:
    """The capture at the server, and how far its clock was set ahead."""
    suffix, ahead = request.param
    return analyze(shared / "captures" / "faults" / f"{NAME}{suffix}.pcapng.gz"), pd.Timedelta(ahead, "ms")


@pytest.fixture(scope="module")
def dropped(shared: Path) -> dict[str, int]:
    truth = json.loads((shared / "captures" / "faults" / f"{NAME}.json").read_text())
    drops: dict[str, int] = truth["netem_drops"]
    assert drops == {"c2s": 74, "s2c": 81}
    return drops


@pytest.fixture(scope="module")
def comparison(client_side: Analysis, server_side: tuple[Analysis, pd.Timedelta]) -> Comparison:
    return client_side.compare(server_side[0])


def test_the_clock_offset_is_found_within_a_millisecond(
    comparison: Comparison, server_side: tuple[Analysis, pd.Timedelta]
) -> None:
    assert comparison.mode == TWO_SIDES
    assert abs(comparison.clock_offset - server_side[1]) < pd.Timedelta("1ms")
    assert comparison.clock_offset_least < server_side[1] < comparison.clock_offset_most
    assert comparison.clock_drift == 0


def test_the_lost_segments_are_those_that_were_dropped(comparison: Comparison, dropped: dict[str, int]) -> None:
    lost = comparison.paths.set_index("sender")["lost"].to_dict()
    assert lost == {"client": dropped["c2s"], "server": dropped["s2c"]}
    kinds = comparison.lost["kind"].astype(str).value_counts().to_dict()
    assert kinds == {"lost": sum(dropped.values())}


def test_every_other_packet_is_in_both(comparison: Comparison, dropped: dict[str, int]) -> None:
    assert len(comparison.matched) == 8107 - dropped["c2s"] == 8114 - dropped["s2c"]


def test_the_delay_is_that_of_the_emulator(comparison: Comparison) -> None:
    assert comparison.paths["shortest"].between(pd.Timedelta("15ms"), pd.Timedelta("15.5ms")).all()
    assert comparison.paths["longest"].max() < pd.Timedelta("18ms")


def test_the_order_of_the_captures_does_not_matter(
    client_side: Analysis, server_side: tuple[Analysis, pd.Timedelta], dropped: dict[str, int]
) -> None:
    turned = server_side[0].compare(client_side)
    assert abs(turned.clock_offset + server_side[1]) < pd.Timedelta("1ms")
    lost = turned.paths.set_index("sender")["lost"].to_dict()
    assert lost == {"client": dropped["c2s"], "server": dropped["s2c"]}
