"""The report in a browser: it opens in silence, asks nothing of any network, and does what its reader wants."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer import Analysis, analyze
from tests.analyzer.captures import PASSWORDS, analyzed
from tests.conftest import WITNESSES_REQUIRED
from tests.witness.chromium import Chromium, chromium_program

pytestmark = pytest.mark.witness

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "ntlm_311_mixed_sessions.pcapng"


@pytest.fixture(scope="module")
def program() -> str:
    """Chromium; the tests are skipped where it is not installed, and fail in CI."""
    found = chromium_program()
    if found is None:
        missing = pytest.fail if WITNESSES_REQUIRED else pytest.skip
        missing("needs Chromium, which is not installed")
    return found


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    """The sample, with the passwords of its users."""
    return analyze(SAMPLE, passwords=PASSWORDS)


@pytest.fixture(scope="module")
def report(analysis: Analysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its report."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    analysis.report(path)
    return path


@pytest.fixture(scope="module")
def browser(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all tests that leave no trace in it."""
    with Chromium(program, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def opened(browser: Chromium, report: Path) -> Chromium:
    """The browser with the report, fresh."""
    browser.complaints.clear()
    browser.requests.clear()
    browser.open(report)
    return browser


def view(browser: Chromium) -> tuple[float, float]:
    """What the timeline shows, milliseconds since midnight."""
    begin, end = str(browser.evaluate("document.getElementById('chart').dataset.view")).split()
    return float(begin), float(end)


def listed(browser: Chromium) -> list[int]:
    """The exchanges in the list."""
    rows = "JSON.stringify([...document.querySelectorAll('[data-exchange]')].map((row) => +row.dataset.exchange))"
    numbers: list[int] = json.loads(browser.evaluate(rows))
    return numbers


def related(browser: Chromium, place: int) -> list[int]:
    """The exchanges of a finding."""
    data = "JSON.parse(document.getElementById('data').textContent)"
    numbers: list[int] = json.loads(browser.evaluate(f"JSON.stringify({data}.related[{place}])"))
    return numbers


def middle(browser: Chromium, selector: str) -> tuple[float, float]:
    """Scroll to an element; the place of its middle in the window."""
    box = f"document.querySelector({selector!r})"
    browser.evaluate(f"{box}.scrollIntoView({{ block: 'center', behavior: 'instant' }})")
    place = f"(({{ x, y, width, height }}) => [x + width / 2, y + height / 2])({box}.getBoundingClientRect())"
    x, y = json.loads(browser.evaluate(f"JSON.stringify({place})"))
    return x, y


def test_it_opens_without_complaints_and_asks_for_nothing_else(opened: Chromium, report: Path) -> None:
    assert opened.complaints == []
    assert opened.requests == [report.as_uri()]
    assert opened.evaluate("document.querySelectorAll('#chart canvas').length") == 1


def test_every_exchange_of_a_small_capture_is_listed(opened: Chromium, analysis: Analysis) -> None:
    assert opened.evaluate("document.getElementById('count').textContent") == f"{len(analysis.exchanges)} exchanges"


def test_clicking_a_finding_shows_its_exchanges_and_its_time(opened: Chromium, analysis: Analysis) -> None:
    whole = view(opened)
    opened.click(*middle(opened, "#finding-0 [data-show]"))
    assert listed(opened) == related(opened, 0) != []
    begin, end = view(opened)
    assert end - begin < whole[1] - whole[0]
    midnight = analysis.findings["time"].iloc[0].normalize()
    at = (analysis.findings["time"].iloc[0] - midnight).total_seconds() * 1000
    assert begin < at < end
    assert opened.evaluate("document.getElementById('finding-0').className.includes('chosen')")
    opened.click(*middle(opened, "#everything"))
    assert len(listed(opened)) == min(len(analysis.exchanges), 200)


def test_clicking_a_finding_on_the_timeline_shows_its_exchanges(opened: Chromium) -> None:
    opened.click(*middle(opened, "#finding-0 [data-zoom]"))
    opened.evaluate("document.getElementById('chart').scrollIntoView({ behavior: 'instant' })")
    place = """(() => {
        const chart = echarts.getInstanceByDom(document.getElementById('chart'));
        const [lane, from, to] = JSON.parse(document.getElementById('data').textContent).findings[0];
        const [x, y] = chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [(from + to) / 2, lane]);
        const box = document.getElementById('chart').getBoundingClientRect();
        return JSON.stringify([box.x + x, box.y + y + 7]);
    })()"""  # below the middle, where a mark of an event may lie
    x, y = json.loads(opened.evaluate(place))
    opened.hover(x, y)
    opened.wait_for("document.querySelector('.tip')")
    opened.click(x, y)
    opened.wait_for("!document.getElementById('everything').hidden")
    findings = opened.evaluate("JSON.parse(document.getElementById('data').textContent).findings.length")
    assert listed(opened) in [related(opened, place) for place in range(findings)]


def test_the_timeline_zooms_with_the_wheel_and_moves_with_its_buttons(opened: Chromium) -> None:
    whole = view(opened)
    x, y = middle(opened, "#chart")
    opened.wheel(x, y, -300)
    assert view(opened) == whole  # the page scrolls, as everywhere
    x, y = middle(opened, "#chart")
    opened.wheel(x, y, -300, control=True)
    opened.wait_for(f"document.getElementById('chart').dataset.view !== '{whole[0]} {whole[1]}'")
    near = view(opened)
    assert near[1] - near[0] < whole[1] - whole[0]
    opened.click(*middle(opened, "[data-move=right]"))
    assert view(opened)[0] > near[0]
    opened.click(*middle(opened, "[data-move=all]"))
    assert view(opened) == pytest.approx(whole)


def test_everything_can_be_done_with_the_keyboard(opened: Chromium) -> None:
    opened.press("n", "n")
    assert opened.evaluate("document.activeElement.id") == "finding-0"
    opened.press("n", "n")
    opened.press("p", "p")
    assert opened.evaluate("document.activeElement.id") == "finding-0"
    opened.press("Enter")
    assert listed(opened) == related(opened, 0)
    opened.evaluate("document.getElementById('chart').focus()")
    opened.press("0", "0")
    whole = view(opened)
    opened.press("+", "+")
    near = view(opened)
    assert near[1] - near[0] == pytest.approx((whole[1] - whole[0]) / 2)
    opened.press("ArrowRight")
    assert view(opened)[0] > near[0]
    opened.press("-", "-")
    opened.press("Home")
    assert view(opened) == pytest.approx(whole)


def test_the_list_is_searched_filtered_and_sorted(opened: Chromium, analysis: Analysis) -> None:
    opened.evaluate("document.getElementById('search').focus()")
    for letter in "tree_connect":
        opened.press(letter, letter)
    wanted = analysis.exchanges["command"].astype(str).str.contains("TREE_CONNECT")
    assert len(listed(opened)) == wanted.sum()
    opened.evaluate("document.querySelectorAll('#exchange-table th button')[4].click()")
    times = opened.evaluate(
        "JSON.stringify([...document.querySelectorAll('[data-exchange]')].map((row) => row.cells[4].textContent))"
    )
    longest = analysis.exchanges.loc[wanted, "latency"].max().total_seconds() * 1000
    assert float(json.loads(times)[0].split()[0]) == pytest.approx(longest, rel=0.01)
    opened.evaluate("(({ state }) => { state.value = '1'; state.dispatchEvent(new Event('input')); })(window)")
    refused = wanted & (analysis.exchanges["status"] != "STATUS_SUCCESS")
    assert len(listed(opened)) == refused.sum() > 0


def test_it_is_dark_where_the_reader_wants_it(program: str, report: Path, tmp_path: Path) -> None:
    brightness = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    with Chromium(program, tmp_path / "dark", dark=True) as dark:
        dark.open(report)
        assert max(dark.evaluate(brightness)) < 64
        assert min(dark.evaluate(brightness.replace("backgroundColor", "color"))) > 192
        assert dark.complaints == []


def test_a_hostile_name_is_text_everywhere(program: str, tmp_path: Path) -> None:
    honest = "mixed_alice.txt"
    evil = "<img src=x onerror=alert(1)>"[: len(honest)]
    path = tmp_path / "hostile.pcapng"
    path.write_bytes(SAMPLE.read_bytes().replace(honest.encode("utf-16-le"), evil.encode("utf-16-le")))
    analyze(path, passwords=PASSWORDS).report(tmp_path / "hostile.html")
    with Chromium(program, tmp_path / "profile") as browser:
        browser.open(tmp_path / "hostile.html")
        assert browser.evaluate("document.querySelectorAll('img').length") == 0
        assert evil in browser.evaluate("document.body.innerText")
        browser.evaluate("document.getElementById('chart').scrollIntoView({ behavior: 'instant' })")
        place = f"""(() => {{
            const data = JSON.parse(document.getElementById('data').textContent);
            const chart = echarts.getInstanceByDom(document.getElementById('chart'));
            const rows = data.exchanges;
            const i = rows.file.findIndex((file, i) => data.texts[file] === {evil!r} && rows.latency[i]);
            const at = [rows.time[i], rows.latency[i]];
            const [x, y] = chart.convertToPixel({{ xAxisIndex: 1, yAxisIndex: 1 }}, at);
            const box = document.getElementById('chart').getBoundingClientRect();
            return JSON.stringify([box.x + x, box.y + y]);
        }})()"""
        x, y = json.loads(browser.evaluate(place))
        browser.hover(x, y)
        browser.wait_for("document.querySelector('.tip')")
        browser.click(x, y)
        assert browser.evaluate("document.querySelectorAll('img').length") == 0
        assert browser.complaints == []
        assert len(browser.requests) == 1


def test_a_script_that_is_not_of_the_package_does_not_run(program: str, report: Path, tmp_path: Path) -> None:
    path = tmp_path / "tampered.html"
    path.write_text(report.read_text().replace("</main>", "<script>document.title = 'taken'</script></main>"))
    with Chromium(program, tmp_path / "profile") as browser:
        browser.open(path)
        assert browser.evaluate("document.title") != "taken"
        assert any("Content Security Policy" in complaint for complaint in browser.complaints)


def test_a_stall_s_finding_shows_what_waited(browser: Chromium, shared: Path, tmp_path: Path) -> None:
    analysis = analyzed(shared, "faults/net_blackout20_get_signed.pcapng.gz")
    analysis.report(tmp_path / "stall.html")
    browser.open(tmp_path / "stall.html")
    assert analysis.findings["rule"].iloc[0] == "path_dead"
    browser.click(*middle(browser, "#finding-0"))
    assert listed(browser) == related(browser, 0)
    assert len(listed(browser)) > 10
