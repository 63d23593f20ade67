"""What `streamrnn run` does between its input and its output.

one_signal.py, many_signals.py   a run from start to end: files opened, a session made, the loop run
io_loop.py                       the loop: read what has arrived, compute, write
*_session.py                     rows to outputs, and the state that belongs to the outputs that have been written
content.py                       what the first bytes of the input say: compressed, text, or another kind of file
blocks.py                        rows in blocks, each computed and written as a whole
formats/                         bytes to rows, and outputs to bytes
file_descriptors.py              opening, reading and writing
state_file.py, resume_point.py   what a run keeps for the next one
"""
