"""The command `streamrnn`: one file for each subcommand, and folders for what they need.

running/    run: bytes to rows, rows to outputs and states, and how a run ends
proving/    import, verify, doctor: the comparison with the source, and the report of it
measuring/  bench: latency, the compiled loop, memory, the machine

All of them use console.py, table.py and progress_bar.py to print, signals.py for Ctrl-C, source_file.py and output_path.py
for the files that they read and write.
"""

import os
import sys

_INTERRUPTED = 130  # exit_codes.INTERRUPTED + SIGINT, which may not be loaded yet
_FAILED = 1  # exit_codes.FAILED


def main() -> None:
    """The entry point: run the command line, then exit. Ctrl-C while the program is still being loaded ends it as later."""
    try:
        import signal

        # While modules are loaded, a KeyboardInterrupt could end as another error, or in a destructor. Nothing is open yet.
        handles_ctrl_c = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if handles_ctrl_c:
            signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
        from streamrnn.command.application import run_command_line

        if handles_ctrl_c:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except ModuleNotFoundError as error:
        if error.name not in ("rich", "typer"):
            raise
        sys.stderr.write(f"error: the command needs {error.name}, and it is not installed; pip install 'streamrnn[command]'\n")
        sys.exit(_FAILED)
    run_command_line()
