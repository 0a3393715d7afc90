from __future__ import annotations

from unittest.mock import Mock

import pytest
from multidict import CIMultiDict

from berlin_magic.server.addresses import address_of


@pytest.mark.parametrize(
    ("peer", "told", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.9"], "192.0.2.1"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("::1", ["forged", "forged, 198.51.100.9"], "198.51.100.9"),
        ("127.0.0.1", ["unknown"], "127.0.0.1"),
        ("2001:db8::1", [], "2001:db8::/64"),
        ("2001:db8::2", [], "2001:db8::/64"),
        ("fe80::1%eth0", [], "fe80::/64"),
        ("::ffff:192.0.2.1", [], "192.0.2.1"),
        (None, [], ""),
    ],
)
def test_only_a_proxy_on_this_machine_is_believed_and_of_its_words_the_last(peer, told, address):
    request = Mock(remote=peer, headers=CIMultiDict([("X-Forwarded-For", each) for each in told]))
    assert address_of(request) == address
