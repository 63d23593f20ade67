"""States outside of a stream: snapshots, and files of many states by key.

snapshot   the bytes of a snapshot
store      `StateStore`, the user's handle
table      states as rows of the store's database
database   the SQLite file: who may open it, and what its failures mean
schema     its tables, their versions, and the check that none of it is damaged
keys       the keys that a store can hold
"""
