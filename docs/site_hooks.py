"""What MkDocs does besides: the page of commands is made of the commands, and links that leave the site become paths."""

import posixpath
import re
from typing import Any

COMMANDS = "reference/commands.md"

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The text of a page as MkDocs shall read it."""
    path = page.file.src_uri
    if path == COMMANDS:
        return f"{markdown}\n{_commands()}"
    return _LINK.sub(lambda link: _within(path, link), markdown)


def _within(path: str, link: re.Match[str]) -> str:
    """A link to a file of the source tree that is not on the site as its name: `[text](../x)` becomes text (`x`)."""
    text, target = link.groups()
    if "://" in target or target.startswith("#"):
        return link[0]
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(path), target.partition("#")[0]))
    if not resolved.startswith("../"):
        return link[0]
    name = resolved.removeprefix("../")
    return text if name in text else f"{text} (`{name}`)"


def _commands() -> str:
    """The help of every command, as it prints it."""
    import typer

    from streamrnn.command.application import application

    group = typer.main.get_command(application)
    parts = []
    for name, command in sorted(group.commands.items()):  # type: ignore[attr-defined]
        help_text = command.get_help(typer.Context(command, info_name=f"streamrnn {name}", terminal_width=100))
        parts.append(f"## streamrnn {name}\n\n```text\n{help_text}\n```\n")
    return "\n".join(parts)
