"""The replies that arrive in the background while other cells run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from berlin_magic.concurrency import TICK

if TYPE_CHECKING:
    from berlin_magic.conversations.turn import Turn
    from berlin_magic.kernel.reply import ReplyResult, ReplyTask

__all__ = ["Job", "Jobs"]


@dataclass(eq=False, slots=True)
class Job:
    """One reply in the background; `number` names it for `%berlin stop`."""

    number: int
    reply: ReplyTask
    task: asyncio.Task[ReplyResult]

    @property
    def turn(self) -> Turn:
        """The question and its reply."""
        return self.reply.turn

    @property
    def running(self) -> bool:
        """Whether its reply is still arriving."""
        return not self.task.done()

    @property
    def state(self) -> str:
        """How far it is, in a word or a line."""
        if self.running:  # or its reply has ended, and is being stored
            return self.turn.finish
        if self.task.cancelled():
            return "stopped"
        error = self.task.exception() or self.task.result().error
        return f"{self.turn.finish}: {str(error).splitlines()[0]}" if error else self.turn.finish


class Jobs:
    """The background replies of a notebook, oldest first, numbered from 1."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs)

    @property
    def running(self) -> list[Job]:
        """The jobs whose reply is still arriving."""
        return [job for job in self._jobs if job.running]

    def add(self, reply: ReplyTask, task: asyncio.Task[ReplyResult]) -> Job:
        """Add a reply; return its job."""
        job = Job(len(self._jobs) + 1, reply, task)
        self._jobs.append(job)
        return job

    def replace(self, reply: ReplyTask, new: ReplyTask) -> None:
        """Let the job of a reply go on with another one, which is asked for after it."""
        for job in self._jobs:
            if job.reply is reply:
                job.reply = new

    def numbered(self, number: int) -> Job | None:
        """Return the job of that number, if there is one."""
        return self._jobs[number - 1] if 1 <= number <= len(self._jobs) else None

    async def wait(self) -> list[ReplyResult]:
        """Wait until none is running, those begun meanwhile included; return how they ended.

        An interrupt ends the waiting, not the jobs.
        """
        waited: list[Job] = []
        while running := self.running:
            waited += [job for job in running if job not in waited]
            await asyncio.wait({job.task for job in running}, timeout=TICK)  # so that an interrupt gets through
        return [job.task.result() for job in waited if not job.task.cancelled()]
