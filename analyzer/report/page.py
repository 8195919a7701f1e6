"""The page: template, styles, scripts and data in one file that asks nothing of any network."""

import hashlib
import os
from base64 import b64encode
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pandas as pd
from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from analyzer.export.files import atomic_output
from analyzer.latency import top_talkers
from analyzer.report import sections, sentences
from analyzer.report.chart import chart_data
from analyzer.report.embed import embedded_json
from analyzer.report.selection import Selection, select
from analyzer.tables.cells import shown
from analyzer.tables.schema import TABLES
from analyzer.tables.text import printable

if TYPE_CHECKING:
    from analyzer.analysis import Analysis

__all__ = ["page", "write_report"]

_MOST_FINDINGS = 400


def write_report(analysis: "Analysis", path: str | os.PathLike[str]) -> None:
    """Write the report of an analysis to an HTML file.

    Raises:
        UsageError: the file cannot be written.
    """
    text = page(analysis)
    with atomic_output(path) as file:
        file.write(text.encode())


def page(analysis: "Analysis") -> str:
    """The report as HTML."""
    findings = analysis.findings.head(_MOST_FINDINGS)
    exchanges, sessions, files_ = analysis.exchanges, analysis.sessions, analysis.files
    selection = select(exchanges, findings)
    span = sentences.span_of(files_)
    chart = chart_data(sessions, analysis.events, findings, exchanges, selection, span)
    scripts = [_asset("echarts", "echarts.min.js"), _asset("assets", "report.js")]
    return _template().render(
        title=", ".join(sections.captures(files_, ()).rows[place][0] for place in range(min(len(files_), 3))),
        version=version("sessionscope"),
        policy=_policy(scripts),
        scripts=[Markup(script) for script in scripts],  # noqa: S704 - files of this package
        style=Markup(_asset("assets", "report.css")),  # noqa: S704 - likewise
        data=embedded_json(chart.data),
        begin=_time(span[0]),
        end=_time(span[1]),
        captured=sentences.captured(files_, analysis.connections, sessions),
        verdict=sentences.verdict(analysis.findings),
        summary=[
            *sentences.performance(exchanges),
            *sentences.readable(sessions, analysis.accounting),
            *analysis.notes,
        ],
        findings=_findings(findings, selection),
        counts=analysis.findings["severity"].astype(str).value_counts().to_dict(),
        findings_left=len(analysis.findings) - len(findings),
        selection=selection,
        lanes_left=chart.lanes_left,
        events_left=chart.events_left,
        captures=sections.captures(files_, analysis.damage),
        sessions=sections.sessions(sessions),
        closed=sections.closed_sessions(sessions),
        shares=sections.shares(analysis.trees),
        files=sections.files(analysis.opens),
        latency=sections.latency(analysis.latency("command", "server")),
        talkers=sections.talkers(top_talkers(exchanges, analysis.connections)),
        keys=sections.given_keys(analysis.key_entries),
        protocols=sections.protocols(analysis.accounting),
        undecoded=sections.undecoded(analysis.undecoded),
    )


def _findings(findings: pd.DataFrame, selection: Selection) -> list[dict[str, Any]]:
    """One dict a finding: its columns as text, and how many exchanges belong to it."""
    cells = {column.name: shown(findings[column.name], column) for column in TABLES["findings"].columns}
    return [
        {name: texts[row] for name, texts in cells.items()} | {"exchanges": len(selection.related[row])}
        for row in range(len(findings))
    ]


def _time(nanoseconds: int) -> str:
    return f"{pd.Timestamp(nanoseconds, unit='ns'):%Y-%m-%d %H:%M:%S}"


def _policy(scripts: list[str]) -> str:
    """Content-Security-Policy: nothing is loaded, and no script runs but the two that are here (CSP 3, 2.3.1).

    Styles may be inline, since the timeline's library sets them on what it draws.
    """
    hashes = " ".join(f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FunctionLoader(lambda name: _asset("assets", name)),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


def _harmless(value: Any) -> Any:
    """Nothing in a text may turn the direction of writing, or hide (Markup is made here, of what is known)."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _asset(folder: str, name: str) -> str:
    return files("analyzer.report").joinpath(folder, name).read_text(encoding="utf-8")
