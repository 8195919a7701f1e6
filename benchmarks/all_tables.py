"""The work that is measured: analyze a capture and make every table. Prints the number of rows of each as JSON."""

import json
import sys

from analyzer import analyze

TABLES = ("connections", "sessions", "trees", "opens", "messages", "exchanges", "accounting")

capture, keys = sys.argv[1:]
analysis = analyze(capture, keys=keys)
print(json.dumps({table: len(getattr(analysis, table)) for table in TABLES}))
