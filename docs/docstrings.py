"""For the reference: what follows the first paragraph of a docstring keeps its lines and columns."""

from typing import Any

import griffe


class AsWritten(griffe.Extension):
    """Shows the first paragraph of each docstring as text, and the rest as it is written."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for every object that has been read."""
        if obj.docstring is not None:
            first, _, rest = obj.docstring.value.partition("\n\n")
            obj.docstring.value = f"{first}\n\n```text\n{rest}\n```" if rest.strip() else first
