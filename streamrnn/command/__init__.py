"""The command `streamrnn`: one file for each subcommand, and folders for what they need.

running/    run: bytes to rows, rows to outputs and states, and how a run ends
proving/    import, verify, doctor: the comparison with the source, and the report of it
measuring/  bench: latency, the compiled loop, memory, the machine

All of them use console.py, table.py and progress_bar.py to print, signals.py for Ctrl-C, source_file.py and output_path.py
for the files that they read and write.
"""

import sys


def main() -> None:
    """The entry point: run the command line, then exit. Ctrl-C while the program is still being loaded ends it as later."""
    try:
        from streamrnn.command.application import run_command_line
    except KeyboardInterrupt:
        sys.exit(130)  # exit_codes.INTERRUPTED + SIGINT, which may not be loaded yet
    run_command_line()
