"""The tables of a state store, the versions of their schema, and the check that the file is whole.

about    name, value, check: the fingerprint of the model, and the last note
streams  key, state: `StateTable` describes a state's bytes

Format 1, of the first engine, had no check in `about`. It becomes format 2 when it is opened.
"""

import hashlib
import sqlite3

from streamrnn.errors import StoreError

FORMAT = 2
NEW = 0  # the format of an empty file
CHECK_BYTES = 16
_APPLICATION = 0x53524E4E  # "SRNN"
_STREAMS = "CREATE TABLE streams (key UNIQUE NOT NULL, state BLOB NOT NULL)"  # key has no type, so that 1 and '1' are different
_TABLES = {
    1: ("CREATE TABLE about (name TEXT PRIMARY KEY, value) WITHOUT ROWID", _STREAMS),
    2: ("CREATE TABLE about (name TEXT PRIMARY KEY, value, digest BLOB NOT NULL) WITHOUT ROWID", _STREAMS),
}


def format_of(cursor: sqlite3.Cursor, path: str) -> int:
    """The format of an open file. Raises StoreError for a file that is not a state store, or that is of a later version."""
    (kind,) = cursor.execute("PRAGMA application_id").fetchone()
    (version,) = cursor.execute("PRAGMA user_version").fetchone()
    (n_tables,) = cursor.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not (kind or version or n_tables):
        return NEW
    if kind != _APPLICATION:
        raise StoreError(f"{path}: a database of another program; choose another file, or a new one")
    if version not in _TABLES:
        raise StoreError(f"{path}: format {version}, but this version of streamrnn reads 1 to {FORMAT}; upgrade streamrnn")
    found = cursor.execute("SELECT sql FROM sqlite_master ORDER BY type, name").fetchall()
    if found != [(None,), *((table,) for table in _TABLES[version])]:  # None: the index of the keys
        raise damaged(path, "its tables are not those of a state store")
    return int(version)


def bring_up_to_date(cursor: sqlite3.Cursor, version: int) -> None:
    """Create the tables of a new file, or migrate those of an older format, within a transaction."""
    if version == FORMAT:
        return
    kept = []
    if version == NEW:
        cursor.execute(_STREAMS)
        cursor.execute(f"PRAGMA application_id = {_APPLICATION}")
    else:
        kept = cursor.execute("SELECT name, value FROM about").fetchall()
        cursor.execute("DROP TABLE about")
    cursor.execute(_TABLES[FORMAT][0])
    for name, value in kept:
        set_about(cursor, name, value)
    cursor.execute(f"PRAGMA user_version = {FORMAT}")


def about(cursor: sqlite3.Cursor, path: str) -> dict[str, str]:
    """The table `about`. Raises StoreError if it is damaged."""
    rows = cursor.execute("SELECT name, value, digest FROM about").fetchall()
    for name, value, digest in rows:
        if digest != _digest_of(name, value):
            raise damaged(path, f"its {name!r} is altered")
    return {name: str(value) for name, value, _ in rows}


def set_about(cursor: sqlite3.Cursor, name: str, value: str) -> None:
    """Set a value of the table `about`."""
    cursor.execute("INSERT OR REPLACE INTO about VALUES (?, ?, ?)", (name, value, _digest_of(name, value)))


def check_whole(cursor: sqlite3.Cursor, path: str) -> None:
    """Raise StoreError unless each row is where it belongs, in the table and in the index of the keys."""
    (found,) = cursor.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise damaged(path, found.replace("\n", " ").removeprefix("*** in database main *** "))


def damaged(path: str, found: str) -> StoreError:
    """The error for a damaged file."""
    return StoreError(f"{path}: damaged ({found}); replace it with a backup, or begin a new store")


def _digest_of(name: str, value: object) -> bytes:
    return hashlib.sha256(b"%a%a" % (name, value)).digest()[:CHECK_BYTES]
