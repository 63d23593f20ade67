"""The command `streamrnn`: one file for each subcommand, and folders for what they need.

running/    run: bytes to rows, rows to outputs and states, and how a run ends
proving/    import, verify, doctor: the comparison with the source, and the report of it
measuring/  bench: latency, the compiled loop, memory, the machine

All of them use console.py, table.py and progress_bar.py to print, signals.py for Ctrl-C, source_file.py and output_path.py
for the files that they read and write.
"""

from streamrnn.command.application import main

__all__ = ["main"]
