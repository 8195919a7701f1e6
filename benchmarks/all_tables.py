"""The work that is measured: analyze a capture and make every table. Prints the number of rows of each as JSON.

With --diagnose, events and findings as well.
"""

import json
import sys

from analyzer import analyze

TABLES = ("connections", "sessions", "trees", "opens", "messages", "exchanges", "accounting")

DIAGNOSES = ("events", "findings")

capture, keys, *more = sys.argv[1:]
diagnose = more == ["--diagnose"]
analysis = analyze(capture, keys=keys, diagnose=diagnose)
tables = (*TABLES, *DIAGNOSES) if diagnose else TABLES
print(json.dumps({table: len(getattr(analysis, table)) for table in tables}))
