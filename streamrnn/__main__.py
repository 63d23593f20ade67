"""`python -m streamrnn`: the command, where it is not on the PATH."""

from streamrnn.command import main

main()
