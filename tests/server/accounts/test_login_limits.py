from __future__ import annotations

import pytest

from berlin_magic.server.accounts.login_limits import LoginLimits

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def refuse(tries: LoginLimits, *tried: tuple[str, str]) -> None:
    for address, account in tried:
        tries.end(tries.begin(address, account), succeeded=False)


def test_an_account_waits_after_too_many_refusals_until_the_window_has_passed(clock: Clock):
    tries = LoginLimits(each=2, window=60, clock=clock)
    refuse(tries, (HERE, "ada"))
    assert tries.wait(HERE, "ada") == 0
    clock.now = 10.0
    refuse(tries, (HERE, "ada"))
    assert tries.wait(HERE, "ada") == 50
    assert tries.wait(HERE, "bob") == 0
    clock.now = 60.0
    assert tries.wait(HERE, "ada") == 0


def test_whoever_fails_under_a_name_does_not_lock_its_owner_out(clock: Clock):
    tries = LoginLimits(each=2, window=60, clock=clock)
    refuse(tries, *[(HERE, "ada")] * 2)
    assert tries.wait(HERE, "ada") > 0
    assert tries.wait(THERE, "ada") == 0


def test_an_account_waits_when_it_was_tried_from_many_addresses_and_an_address_when_it_tried_many(clock: Clock):
    tries = LoginLimits(each=9, account=3, address=4, window=60, clock=clock)
    refuse(tries, *((str(number), "ada") for number in range(3)))
    assert tries.wait("new", "ada") == 60
    refuse(tries, *((HERE, str(number)) for number in range(4)))
    assert tries.wait(HERE, "new") == 60
    assert tries.wait("new", "new") == 0


def test_a_try_counts_before_its_password_is_checked_and_not_any_more_when_it_was_right(clock: Clock):
    tries = LoginLimits(each=2, window=60, clock=clock)
    one, two = tries.begin(HERE, "ada"), tries.begin(HERE, "ada")
    assert tries.wait(HERE, "ada") == 1, "soon it is known"
    tries.end(one, succeeded=True)
    assert tries.wait(HERE, "ada") == 0
    tries.end(two, succeeded=False)
    refuse(tries, (HERE, "ada"))
    assert tries.wait(HERE, "ada") == 60


def test_few_passwords_wait_for_being_checked_and_one_address_never_takes_all_the_places(clock: Clock):
    tries = LoginLimits(checks=3, address_checks=2, window=60, clock=clock)
    begun = [tries.begin(HERE, name) for name in "ab"]
    assert tries.wait(HERE, "c") == 1
    assert tries.wait(THERE, "c") == 0
    tries.begin(THERE, "c")
    assert tries.wait("third", "d") == 1
    tries.end(begun[0], succeeded=False)
    assert tries.wait("third", "d") == 0


def test_a_name_of_any_length_is_counted_and_not_kept():
    tries = LoginLimits(each=1)
    refuse(tries, (HERE, "x" * 10_000))
    assert tries.wait(HERE, "x" * 10_000) > 0
    assert len(tries._tries[0].account) == 200


def test_what_is_remembered_is_bounded(clock: Clock):
    tries = LoginLimits(clock=clock)
    refuse(tries, *((str(number), str(number)) for number in range(10_500)))
    assert len(tries._tries) == 10_000
