"""The clock: order, waiting, and processes that stand still."""

import pytest

from parsers.errors import UsageError
from refserver.network.simulation import SECOND, Process, Simulation
from refserver.timers import Timers


def test_time_goes_from_event_to_event() -> None:
    simulation, seen = Simulation(1, 100), []
    simulation.after(50, lambda now: seen.append((now, simulation.now)))
    simulation.after(10, lambda now: simulation.after(5, seen.append))
    simulation.run(200)
    assert seen == [115, (150, 150)]
    assert simulation.now == 300


def test_waiting_ends_when_the_condition_holds_or_with_a_reason() -> None:
    simulation, seen = Simulation(1, 0), []
    simulation.after(7, seen.append)
    simulation.run_until(lambda: bool(seen))
    assert simulation.now == 7
    simulation.after(2 * SECOND, seen.append)
    with pytest.raises(UsageError, match="waited in vain"):
        simulation.run_until(lambda: len(seen) == 2, limit=SECOND)


def test_the_timers_of_a_stopped_process_fire_when_it_goes_on() -> None:
    simulation, seen, followed = Simulation(1, 0), [], []
    process = Process(Timers(), lambda: followed.append(simulation.now))
    simulation.add(process)
    process.timers.at(10, lambda now: seen.append((now, simulation.now)))
    process.stopped = True
    simulation.run(100)
    assert seen == []
    process.stopped = False
    simulation.run(100)
    assert seen == [(10, 100)]
    assert 100 in followed
    simulation.remove(process)
    process.timers.at(250, seen.append)
    simulation.run(100)
    assert len(seen) == 1


def test_what_one_part_throws_does_not_change_what_another_gets() -> None:
    first, second, other = Simulation(1, 0), Simulation(1, 0), Simulation(2, 0)
    first.random("noise").random()
    assert first.random("path").random() == second.random("path").random() != other.random("path").random()
