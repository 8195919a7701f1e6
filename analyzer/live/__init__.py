"""Watching an interface: a bounded window of its newest packets, analyzed again and again."""

from analyzer.live.dumpcap import Dumpcap
from analyzer.live.watch import News, Watch

__all__ = ["Dumpcap", "News", "Watch"]
