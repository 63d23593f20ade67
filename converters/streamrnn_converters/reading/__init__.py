"""Reads files that another program has written, or somebody who means harm, within bounds.

A file takes little more memory than its size, whatever it claims: what it unpacks to is counted, and nothing is believed.

file         the content of a regular file
zip_members  the files in a zip file
npz          the arrays in an .npz
json_object  the object in a JSON file
"""

from streamrnn_converters.reading.file import read_file

__all__ = ["read_file"]
