from __future__ import annotations

from berlin_magic.server.tries import LoginTries


def test_an_account_waits_after_too_many_refusals_until_the_window_has_passed():
    now = [0.0]
    tries = LoginTries(each=2, window=60, clock=lambda: now[0])
    tries.refused("ada")
    assert tries.wait("ada") == 0
    now[0] = 10.0
    tries.refused("ada")
    assert tries.wait("ada") == 50
    assert tries.wait("bob") == 0
    now[0] = 60.0
    assert tries.wait("ada") == 0


def test_all_accounts_wait_when_many_names_were_tried():
    now = [0.0]
    tries = LoginTries(each=2, total=3, window=60, clock=lambda: now[0])
    for name in ("a", "b", "c"):
        tries.refused(name)
        now[0] += 1
    assert tries.wait("d") == 57


def test_a_name_of_any_length_is_counted_and_not_kept():
    tries = LoginTries(each=1)
    tries.refused("x" * 10_000)
    assert tries.wait("x" * 10_000) > 0
    assert len(tries._refused[0][1]) == 200
