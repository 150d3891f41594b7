"""Clients told apart, and what each of them has: pure, with the time given."""

import pytest

from liftlock.http.clients import Clients, client_of, peer_of
from liftlock.http.connections import Idle, excess
from liftlock.http.limits import HttpLimits
from liftlock.http.openuploads import OpenUploads
from liftlock.oci.reference import RepositoryName

APP = RepositoryName("dev", "app")


class TestAddresses:
    @pytest.mark.parametrize(
        ("address", "client"),
        [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("::1", "::/64"),
            ("no:address", "no:address"),
        ],
    )
    def test_a_host_is_one_client(self, address, client):
        assert client_of(address) == client

    @pytest.mark.parametrize("port", [7, "7"])
    def test_the_port_may_come_as_text(self, port):
        assert peer_of({"client": ("192.0.2.7", port)}) == ("192.0.2.7", 7)

    @pytest.mark.parametrize("scope", [{}, {"client": None}])
    def test_a_server_need_not_say_who_asks(self, scope):
        assert peer_of(scope) is None


class TestRequests:
    def test_so_many_may_be_under_way(self):
        clients = Clients(HttpLimits(client_requests_max=2))
        peers = [("192.0.2.7", port) for port in (1, 2, 3)]
        assert [clients.begin(peer) for peer in peers] == [True, True, False]
        assert clients.begin(("192.0.2.8", 1))
        clients.end(peers[0])
        assert clients.begin(peers[2])

    def test_nothing_is_kept_of_who_has_left(self):
        clients = Clients(HttpLimits())
        for number in range(100):
            peer = (f"192.0.2.{number}", 1)
            assert clients.begin(peer)
            clients.end(peer)
        assert not clients._requests

    def test_zero_is_any_number_and_the_unknown_are_not_counted(self):
        clients = Clients(HttpLimits(client_requests_max=0))
        assert all(clients.begin(("192.0.2.7", port)) for port in range(1000))
        strict = Clients(HttpLimits(client_requests_max=1))
        assert all(strict.begin(None) for _ in range(10))
        strict.end(None)


class TestUploads:
    LIMITS = HttpLimits(client_uploads_max=2, client_uploads_seconds=10, look_seconds=1)

    def test_so_many_may_be_open(self):
        uploads = OpenUploads(self.LIMITS)
        uploads.began("one", APP, "a", 0)
        assert not uploads.is_full("one", 0)
        uploads.began("one", APP, "b", 0)
        assert uploads.is_full("one", 0)
        assert not uploads.is_full("other", 0)
        uploads.ended("a")
        uploads.ended("a")
        assert not uploads.is_full("one", 0)

    def test_what_was_begun_long_ago_does_not_count(self):
        uploads = OpenUploads(self.LIMITS)
        uploads.began("one", APP, "a", 0)
        uploads.began("one", APP, "b", 5)
        assert uploads.is_full("one", 9.9)
        assert not uploads.is_full("one", 10)
        uploads.began("one", APP, "c", 10)
        assert uploads.is_full("one", 14)
        assert not uploads.is_full("one", 15)

    def test_they_are_looked_at_now_and_then(self):
        uploads = OpenUploads(self.LIMITS)
        uploads.began("one", APP, "a", 0)
        uploads.began("other", APP, "b", 0)
        assert uploads.to_look_at("one", 0) == [(APP, "a")]
        assert uploads.to_look_at("one", 0.9) == []
        assert uploads.to_look_at("one", 1) == [(APP, "a")]

    def test_memory_is_bounded(self):
        uploads = OpenUploads(HttpLimits(open_uploads_known_max=3, client_uploads_max=1))
        for number in range(10):
            uploads.began(f"client {number}", APP, str(number), number)
        assert [uploads.is_full(f"client {n}", 10) for n in range(10)] == [False] * 7 + [True] * 3
        for number in range(10):
            uploads.ended(str(number))
        assert not uploads._begun
        assert not uploads._of
        assert not uploads._looked_at

    def test_zero_is_any_number(self):
        uploads = OpenUploads(HttpLimits(client_uploads_max=0))
        for number in range(10):
            uploads.began("one", APP, str(number), 0)
        assert not uploads.is_full("one", 0)


class TestConnections:
    def test_of_one_that_has_too_many_the_longest_idle_are_chosen(self):
        own = [Idle(("192.0.2.7", port), float(port)) for port in range(1, 6)]
        other = [Idle(("192.0.2.8", port), 99.0) for port in range(1, 4)]
        assert excess([*own, *other], 3, 1) == {("192.0.2.7", 5), ("192.0.2.7", 4)}

    def test_what_is_busy_or_was_just_sent_something_stays(self):
        own = [Idle(("192.0.2.7", port), float(port)) for port in range(6)]
        own += [Idle(("192.0.2.7", port), 0.0) for port in (6, 7)]
        assert excess(own, 5, 2) == {("192.0.2.7", 5), ("192.0.2.7", 4), ("192.0.2.7", 3)}
        assert excess(own, 1, 2) == {("192.0.2.7", port) for port in (2, 3, 4, 5)}

    def test_a_network_is_one_client(self):
        own = [Idle((f"2001:db8::{port}", port), 9.0) for port in range(1, 4)]
        assert len(excess(own, 2, 1)) == 1
