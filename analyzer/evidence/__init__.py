"""What diagnosis needs and the tables do not hold: TCP health, logons, handles, odd requests, credits."""

from analyzer.evidence.evidence import Collector, Evidence

__all__ = ["Collector", "Evidence"]
