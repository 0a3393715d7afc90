"""A lock between processes: one at a time, waited for with a bound, given up at any moment and never left behind."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from berlin_magic.credentials.file_lock import file_lock, file_lock_in_thread


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "a.lock"


def is_free(path: Path) -> bool:
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    lock.release()
    return True


async def until(condition: Callable[[], bool]) -> None:
    def wait() -> None:
        end = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.005)

    await asyncio.to_thread(wait)


_EARLIER: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def earlier_threads() -> None:
    """Note the threads of other tests, such as those of a value that never ended its description."""
    _EARLIER.clear()
    _EARLIER.update(threading.enumerate())


def waiting_threads() -> int:
    new = set(threading.enumerate()) - _EARLIER
    return sum(thread.name == "berlin_magic in_thread" for thread in new)


async def test_it_is_held_within_and_free_after(path):
    async with file_lock_in_thread(path, timeout=1) as taken:
        assert taken
        assert not is_free(path)
    assert is_free(path)


async def test_an_error_within_frees_it(path):
    with pytest.raises(KeyError):
        async with file_lock_in_thread(path, timeout=1):
            raise KeyError
    assert is_free(path)


async def test_where_it_is_not_to_be_had_in_time_that_is_told_and_it_is_the_others_still(path):
    async with file_lock_in_thread(path, timeout=1), file_lock_in_thread(path, timeout=0.1) as taken:
        assert not taken
        assert not is_free(path)
    assert is_free(path)


async def test_who_waits_gets_it_when_it_is_free(path):
    async with asyncio.timeout(10):
        async with file_lock_in_thread(path, timeout=1):
            waiting = asyncio.create_task(file_lock_in_thread(path, timeout=9).__aenter__())
            await asyncio.sleep(0.1)
            assert not waiting.done()
        assert await waiting


async def test_the_loop_goes_on_while_one_waits(path):
    ticks = 0
    async with file_lock_in_thread(path, timeout=1):
        waiting = asyncio.create_task(file_lock_in_thread(path, timeout=0.5).__aenter__())
        while not waiting.done():
            ticks += 1
            await asyncio.sleep(0.01)
    assert ticks > 5


async def test_a_wait_that_is_cancelled_ends_at_once_and_never_takes_the_lock(path):
    async with file_lock_in_thread(path, timeout=1):
        waiting = asyncio.create_task(file_lock_in_thread(path, timeout=60).__aenter__())
        await asyncio.sleep(0.1)
        waiting.cancel()
        async with asyncio.timeout(1):
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await until(lambda: waiting_threads() == 1)  # that of who holds it
    async with file_lock_in_thread(path, timeout=1) as taken:
        assert taken


@pytest.mark.parametrize("after", [0, 0.0005, 0.001, 0.002, 0.005])
async def test_a_cancel_at_any_moment_leaves_it_free(path, after):
    async def hold() -> None:
        async with file_lock_in_thread(path, timeout=60):
            await asyncio.sleep(60)

    for _ in range(5):
        task = asyncio.create_task(hold())
        await asyncio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: is_free(path))


async def test_what_is_given_up_while_it_is_being_taken_is_free(path, monkeypatch):
    acquire, taking, go_on = FileLock.acquire, threading.Event(), threading.Event()

    def slow(*given: object, **how: object) -> object:
        taken = acquire(*given, **how)
        taking.set()
        go_on.wait(5)
        return taken

    monkeypatch.setattr(FileLock, "acquire", slow)
    waiting = asyncio.create_task(file_lock_in_thread(path, timeout=60).__aenter__())
    await until(taking.is_set)
    waiting.cancel()
    async with asyncio.timeout(1):
        with pytest.raises(asyncio.CancelledError):
            await waiting
    monkeypatch.undo()
    assert not is_free(path)
    go_on.set()
    await until(lambda: is_free(path))


async def test_no_thread_is_left(path):
    async with file_lock_in_thread(path, timeout=1), file_lock_in_thread(path, timeout=0.1):
        pass
    await until(lambda: waiting_threads() == 0)


async def test_a_folder_that_can_not_be_made_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        await file_lock_in_thread(tmp_path / "file" / "a.lock", timeout=1).__aenter__()
    with pytest.raises(OSError, match="file"), file_lock(tmp_path / "file" / "a.lock"):
        pass


async def test_a_drive_without_locks_is_an_os_error(path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError("no locks here")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.raises(OSError, match="no locks"):
        await file_lock_in_thread(path, timeout=1).__aenter__()
    with pytest.raises(OSError, match="no locks"), file_lock(path):
        pass


def test_it_is_for_one_at_a_time(path):
    refused: list[OSError] = []

    def other() -> None:
        try:
            with file_lock(path, timeout=0.1):
                pass
        except OSError as error:
            refused.append(error)

    with file_lock(path):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert refused
    assert is_free(path)
