"""Comparison of two captures: two sides of the same traffic, or before and after a change."""

from analyzer.compare.compare import compare
from analyzer.compare.comparison import BEFORE_AFTER, TWO_SIDES, WITH_TSHARK, Comparison

__all__ = ["BEFORE_AFTER", "TWO_SIDES", "WITH_TSHARK", "Comparison", "compare"]
