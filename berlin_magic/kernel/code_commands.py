"""The `%berlin` commands about the code of a reply."""

from __future__ import annotations

from argparse import Namespace

from IPython.core.error import UsageError

from berlin_magic.display.markdown import text_to_html
from berlin_magic.errors import clean, printable
from berlin_magic.kernel.command import CommandContext
from berlin_magic.kernel.command_output import CommandOutput
from berlin_magic.kernel.next_cell import put_into_next_cell
from berlin_magic.results.code import CodeBlock, code_blocks, python_code

__all__ = ["code", "insert"]

_NONE = "There is no code in the last reply, or nothing was asked."
_PRE = "white-space:pre;overflow-x:auto;text-align:left;margin:0 0 0.8em 0"


async def code(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """Show the code blocks of the last reply, with their numbers; or the text of one of them."""
    blocks = _blocks(context)
    if not blocks:
        return CommandOutput(_NONE)
    if arguments.number is not None:
        text = printable(_numbered(blocks, arguments.number).text)
        return CommandOutput(text, f'<pre style="{_PRE}">{text_to_html(text)}</pre>')
    heads = [f"{number} {clean(block.language, 40) or 'code'}" for number, block in enumerate(blocks, 1)]
    texts = [printable(block.text) for block in blocks]
    shown = [
        f'<div class="berlin-command">{text_to_html(head)}</div><pre style="{_PRE}">{text_to_html(text)}</pre>'
        for head, text in zip(heads, texts, strict=True)
    ]
    listed = "\n\n".join(f"{head}\n{text}" for head, text in zip(heads, texts, strict=True))
    return CommandOutput(listed, "\n".join(shown))


async def insert(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """Put a code block of the last reply into the next cell; without a number, its Python."""
    blocks = _blocks(context)
    if not blocks:
        return CommandOutput(_NONE)
    text = python_code(blocks) if arguments.number is None else _numbered(blocks, arguments.number).text
    message = put_into_next_cell(context.magics, text)
    return CommandOutput(f"{message[0].upper()}{message[1:]}.")


def _blocks(context: CommandContext) -> list[CodeBlock]:
    """Return the code blocks of the last reply before the running cell."""
    cell = context.cell
    answered = [turn for turn in context.conversation.earlier(cell.id, cell.run) if turn.reply]
    return code_blocks(answered[-1].reply) if answered else []


def _numbered(blocks: list[CodeBlock], number: int) -> CodeBlock:
    if number > len(blocks):
        raise UsageError(
            f"There is no code block {number}: the last reply has {len(blocks)}. `%berlin code` lists them."
        )
    return blocks[number - 1]
