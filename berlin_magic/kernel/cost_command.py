"""The command `%berlin cost`."""

from __future__ import annotations

from argparse import Namespace

from berlin_magic.concurrency import in_thread
from berlin_magic.conversations.storage.spending import Sums
from berlin_magic.kernel.command import CommandContext
from berlin_magic.kernel.command_output import CommandOutput, quantity, table
from berlin_magic.results.budget import money

__all__ = ["cost"]

_HEADER = ("", "requests", "prompt", "reply", "cost")
_OVERRUN = (
    "For a running request its prompt and max_tokens are reserved, without max_tokens 1,000 tokens. A server that "
    "ignores max_tokens, as Berlin's does, may go beyond the budget by one reply for each running request."
)


async def cost(context: CommandContext, _arguments: Namespace) -> CommandOutput:
    """Return what has been spent, and what is left of the budget."""
    notebook, costs = context.notebook, context.notebook.costs
    conversation = context.conversation
    spending = costs.spending

    def read() -> tuple[list[tuple[str, Sums]], str]:
        conversation_id = notebook.id_of(context.name)
        found = [
            ("last turn", spending.sums(turn=conversation[-1].id) if len(conversation) else Sums()),
            ("conversation", spending.sums(conversation=conversation_id)),
            ("notebook", spending.sums(notebook=notebook.id)),
            ("today", spending.sums(since=costs.midnight())),
        ]
        return found, costs.used()

    found, used = await in_thread(read)
    rows = [(name, f"{sums.requests:,}", f"{sums.prompt:,}", f"{sums.reply:,}", _money(sums)) for name, sums in found]
    notes = ["Today counts all notebooks. Tokens that a server does not tell are estimated."]
    if unpriced := found[-1][1].unpriced:
        known = "genai-prices has those of vendors, and BerlinMagics.prices your own"
        notes.append(f"No price is known for {quantity(unpriced, 'request')} of today: {known}.")
    notes += [f"Spent or reserved of the budget: {used}.", _OVERRUN] if used else []
    return table(rows, header=_HEADER, after="\n".join(notes))


def _money(sums: Sums) -> str:
    """Return the money of all currencies; "?" beside it if a part of it is not known."""
    known = ", ".join(money(billionths, currency) for currency, billionths in sums.money)
    return " + ".join(filter(None, [known, "?" if sums.unpriced else ""])) or "0"
