"""`python -m analyzer.events > docs/events.md` writes the documentation of all kinds of events."""

import sys

from analyzer.events.kinds import MEANINGS

__all__ = ["markdown"]

_HEAD = """\
# Events

Generated from `analyzer/events/kinds.py` by `python -m analyzer.events > docs/events.md`.

`Analysis.events` is one time line of what happened to connections and sessions ([its columns](tables.md#events)).
`sessionscope events` prints it, `sessionscope sessions --timeline` tells it session by session, and
`Analysis.timeline` holds the same as objects.

| kind | meaning |
|---|---|
"""


def markdown() -> str:
    """The page of all kinds."""
    return _HEAD + "".join(f"| `{kind}` | {meaning} |\n" for kind, meaning in MEANINGS.items())


if __name__ == "__main__":
    sys.stdout.write(markdown())
