"""What the command's exit codes say."""

DONE = 0
FAILED = 1  # refused or failed; standard error says why
#: 2 is wrong usage, as everywhere.
NOT_PROVEN = 3
UNPROVEN = 4  # written, but nobody has compared it
TOO_LATE = 5
INTERRUPTED = 128  # plus the signal's number

TEXT = """\b
Exit codes:
  0    done; of import and verify: proven; of doctor: one convention found
  1    refused or failed, as the line "error: ..." on standard error says
  2    wrong usage
  3    not proven: the model and its source differ, nothing was written; of doctor: no convention, or several
  4    written, but not proven (import --no-verify, or of a checkpoint without --against)
  5    measured, but steps took longer than the deadline (bench --deadline)
  130  ended by Ctrl-C; 143 by SIGTERM, 129 by SIGHUP
"""
