"""What the names of a graph's inputs and outputs tell: which of them are called like states, and which belong together."""

import re

_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")

_words = str.split

#: What sets the state that comes in apart from the one that goes out: "h_in" and "h_out", "prev_x" and "next_x", "cache_i".
_MARKS = frozenset(
    _words(
        "after before cur curr current default final i in init initial initials input inputs last later n new next o old out "
        "output outputs partitioned past post present prev previous serving stateful t tensor updated"
    )
)
_STATES = frozenset(
    _words(
        "average avg buf buffer buffers c cache caches carry cell cells cn count counter ctx cx ema h hc hidden hiddens hist "
        "history hn hx last mean means mem memory old past prev previous rnn running st state states stats std sum var variance"
    )
)
_SIGNALS = frozenset(
    _words(
        "act action actions audio clean data enh enhanced feat feats feature features frame frames image img input logits mel "
        "mfcc mic mix noisy obs observation observations pcm sample samples signal spec speech wav wave x y"
    )
)


def is_state(name: str) -> bool:
    """Whether something is called like a state."""
    return bool(_STATES & set(_parts(name)))


def is_signal(name: str) -> bool:
    """Whether something is called like a signal."""
    words = [part for part in _parts(name) if not part.isdigit()]
    return bool(words) and set(words) <= _SIGNALS | _MARKS and bool(set(words) & (_SIGNALS | {"input", "output"}))


def likeness(given: str, returned: str) -> int:
    """How well the names of an input and an output fit each other as those of one state: 0 not at all, 4 best.

    4: the same but for marks as "in" and "out". 3: but for a number 0 too, as in "h0" and "hn". 2: but for numbers. 1: only the
    numbers are the same, as in "s1" and "o1".
    """
    words, numbers = _key(given)
    other_words, other_numbers = _key(returned)
    if words and words == other_words and (is_state(given) or not set(words) <= _SIGNALS):
        if numbers == other_numbers:
            return 4
        return 3 if [n for n in numbers if n] == [n for n in other_numbers if n] else 2
    if given == returned:
        return 4
    return 1 if words and numbers and numbers == other_numbers and not set(words) & _SIGNALS else 0


def _parts(name: str) -> list[str]:
    return [part.lower() for part in _PART.findall(name)]


def _key(name: str) -> tuple[list[str], list[int]]:
    """The words and the numbers of a name, without marks. "hn" and "h0" are the word "h"."""
    parts = _parts(name)
    words = [part[0] if len(part) == 2 and part[1] == "n" and part != "in" else part for part in parts if not part.isdigit()]
    kept = [word for index, word in enumerate(words) if word not in _MARKS or (word == "n" and index == 0)]
    return kept, [int(part[:9]) for part in parts if part.isdigit()]
