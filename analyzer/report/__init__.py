"""The report: one HTML file with everything that a person needs who has a complaint and a capture.

`selection` chooses the exchanges that are shown, `chart` makes the data of the timeline, `sentences` the summary,
`sections` the tables, and `page` puts them into one file.
"""

from analyzer.report.page import write_report

__all__ = ["write_report"]
