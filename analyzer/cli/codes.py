"""Exit codes."""

__all__ = ["FINE", "FOUND_ERRORS", "FOUND_WARNINGS", "INTERRUPTED", "MISTAKE", "NOT_CLEAN"]

FINE = 0
FOUND_WARNINGS = 1  # diagnose: the worst finding is a warning
MISTAKE = 2  # in the arguments, a file or a key; nothing was written
NOT_CLEAN = 3  # done, but --strict was given, and something is damaged or stayed undecoded
FOUND_ERRORS = 4  # diagnose: there are findings of severity error or security
INTERRUPTED = 130  # 128 + SIGINT, as shells count
