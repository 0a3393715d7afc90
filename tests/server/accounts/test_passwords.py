from __future__ import annotations

import pytest

from berlin_magic.server.accounts.passwords import NO_PASSWORD, hash_password, is_password


def test_a_password_is_hashed_with_a_salt_of_its_own():
    one, two = hash_password("canary"), hash_password("canary")
    assert one != two
    assert "canary" not in one
    assert one.startswith("scrypt$16384$8$5$")
    assert is_password("canary", one)
    assert not is_password("Canary", one)
    assert not is_password("", one)


@pytest.mark.parametrize("hashed", ["", "canary", "scrypt$1$2", "md5$16384$8$5$AAAA$AAAA", "scrypt$x$8$5$AAAA$AAAA"])
def test_what_is_no_hash_matches_no_password(hashed: str):
    assert not is_password("canary", hashed)


def test_nobodys_hash_has_the_settings_of_every_other():
    assert NO_PASSWORD.split("$")[:4] == hash_password("x").split("$")[:4]
    assert not is_password("", NO_PASSWORD)
