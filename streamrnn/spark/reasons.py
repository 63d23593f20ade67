"""Why a row has no output."""

ANSWERED, CLOSED, LATE, DOUBLED, NO_KEY, NO_ORDER, NOT_FINITE, NO_SUCH_ENTRY, OVERFLOW, POISONED = range(10)

#: What is said of a row, by code; None for rows with which nothing is wrong.
TEXTS = (
    None,
    None,
    "late: a later row of this key has been answered",
    "doubled: a row of this key and order has been answered",
    "the key is null",
    "the order is null",
    "an input is null, NaN or infinite",
    "an index is not an entry of the model's embedding",
    "the state left the range of its type; the step is undone",
    "poisoned: an earlier row of this key could not be used",
)

#: Rows that are about a stream, but whose values the model cannot take.
BAD = (NOT_FINITE, NO_SUCH_ENTRY, OVERFLOW)
