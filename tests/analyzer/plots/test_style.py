import matplotlib as mpl
import numpy as np
import pandas as pd

from analyzer.plots.style import COLOURS, figure, legend, logarithmic, moments, say, styled, time_axis


def test_settings_end_with_the_figure() -> None:
    before = mpl.rcParams["font.size"], mpl.rcParams["axes.grid"]
    with styled():
        assert mpl.rcParams["axes.grid"] is True
    assert (mpl.rcParams["font.size"], mpl.rcParams["axes.grid"]) == before


def test_a_figure_is_light_whatever_the_caller_likes() -> None:
    with mpl.rc_context({"figure.facecolor": "black", "axes.facecolor": "black"}), styled():
        made, (axes,) = figure()
    assert made.get_facecolor() == (1, 1, 1, 1)
    assert axes.get_facecolor() == (1, 1, 1, 1)


def test_colours_differ_in_print() -> None:
    def grey(colour: str) -> float:
        return sum(weight * value for weight, value in zip((0.2, 0.7, 0.1), mpl.colors.to_rgb(colour), strict=True))

    greys = sorted(map(grey, COLOURS))
    assert len(set(COLOURS)) == len(COLOURS)
    assert greys[-1] < 0.75  # the palest can be seen on paper


def test_times_and_nanoseconds_are_the_same_moments() -> None:
    column = pd.Series(pd.to_datetime([1_700_000_000_000_000_001], unit="ns", utc=True))
    assert moments(column).tolist() == moments(np.array([1_700_000_000_000_000_001])).tolist()


def test_a_legend_names_everything_once() -> None:
    with styled():
        _, (axes,) = figure()
        for _ in range(2):
            axes.plot([0], [0], label="the same")
        axes.plot([0], [0], label="another")
        legend(axes)
    shown = axes.get_legend()
    assert shown is not None
    assert [text.get_text() for text in shown.get_texts()] == ["the same", "another"]


def test_logarithms_are_written_out() -> None:
    with styled():
        made, (axes,) = figure()
        axes.plot([1, 2], [0.1, 1000])
        logarithmic(axes, "ms")
        made.canvas.draw()
    assert {"0.1", "1", "10", "100", "1000"} <= {label.get_text() for label in axes.get_yticklabels()}


def test_times_are_named_as_utc() -> None:
    with styled():
        _, (axes,) = figure()
        time_axis(axes)
    assert "UTC" in axes.get_xlabel()


def test_a_sentence_takes_the_place_of_an_empty_figure() -> None:
    with styled():
        _, (axes,) = figure()
        say(axes, "there is nothing")
    assert axes.texts[0].get_text() == "there is nothing"
    assert list(axes.get_xticks()) == []
