"""The exit codes of the command."""

DONE = 0
FAILED = 1  # the reason is on standard error
#: 2 is wrong usage, as in other programs.
NOT_PROVEN = 3
UNPROVEN = 4  # written without a comparison
TOO_LATE = 5
INTERRUPTED = 128  # plus the number of the signal

TEXT = """\b
Exit codes:
  0    done; import, verify: proven; doctor: one convention found
  1    refused or failed; the reason is the line "error: ..." on standard error
  2    wrong usage
  3    not proven: the model and its source differ, nothing was written; doctor: no convention found, or several
  4    written, but not proven (import --no-verify, or a checkpoint without --against)
  5    measured, but some steps took longer than the deadline (bench --deadline)
  130  ended by Ctrl-C; 143: by SIGTERM; 129: by SIGHUP
"""
