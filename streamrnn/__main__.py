"""`python -m streamrnn`: the command, where it is not on the PATH."""

import sys

try:
    from streamrnn.command import main
except KeyboardInterrupt:
    sys.exit(130)  # as streamrnn/command/__init__.py says

main()
