"""What one client may have of a server: requests, connections, upload sessions."""

import socket
import time
from contextlib import ExitStack

import pytest

OTHER = "127.0.0.2"
GET = b"GET /v2/ HTTP/1.1\r\nHost: t\r\n\r\n"
CONTENT = bytes(number % 239 for number in range(8_000_000))


def patch(location, size):
    return f"PATCH {location} HTTP/1.1\r\nHost: t\r\nContent-Length: {size}\r\n\r\n".encode()


def post(target):
    return f"POST {target} HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n".encode()


def start(server, repo, source=OTHER, query=""):
    return server.raw(post(f"/v2/{repo}/blobs/uploads/{query}"), source)


def cancel(server, *answers):
    for answer in answers:
        assert server.http.delete(answer.headers["location"]).status_code == 204


class TestRequests:
    """As many as `client_requests_max` under way: here 4."""

    @pytest.fixture
    def under_way(self, tight, repo, tools):
        """Uploads that wait for the second half of what they were promised, each another's."""
        location = tight.start_upload(repo)
        with ExitStack() as stack:
            clients = [stack.enter_context(tight.connect(OTHER)) for _ in range(4)]
            for client in clients:
                client.sendall(patch(location, 4) + b"ab")
            assert tools.becomes(lambda: tight.raw(GET, OTHER).status, 429)
            yield clients
        assert tools.becomes(lambda: tight.http.delete(location).status_code, 204)

    def test_one_more_is_refused_and_others_are_served(self, tight, under_way):
        answer = tight.raw(GET, OTHER)
        (entry,) = tight.refused(answer, 429, "TOOMANYREQUESTS")
        assert "4 requests under way" in entry["message"]
        assert "client_requests_max" in entry["message"]
        assert answer.headers["retry-after"] == "1"
        problem = tight.raw(GET.replace(b"/v2/", b"/api/v1/promotions"), OTHER)
        assert tight.problem(problem, 429)["title"] == "Too Many Requests"
        assert tight.raw(GET, "127.0.0.3").status == 200

    def test_a_refused_request_leaves_its_connection_usable(self, tight, under_way, tools):
        with tight.connect(OTHER) as client:
            client.sendall(patch("/v2/dev/a/blobs/uploads/x", 4) + b"abcd")
            assert tight.answer(client).status == 429
            under_way[0].sendall(b"cd")
            assert tight.answer(under_way[0]).status in {202, 409}

            def again():
                client.sendall(GET)
                return tight.answer(client).status

            assert tools.becomes(again, 200)

    def test_who_vanishes_has_nothing_under_way(self, tight, under_way, tools):
        for client in under_way:
            client.close()
        assert tools.becomes(lambda: tight.raw(GET, OTHER).status, 200)

    def test_requests_one_after_the_other_are_not_counted_together(self, tight):
        with tight.connect(OTHER) as client:
            for _ in range(20):
                client.sendall(GET)
                assert tight.answer(client).status == 200


class TestUploads:
    """As many as `client_uploads_max` open: here 3."""

    def test_one_more_is_refused_and_others_are_served(self, tight, repo):
        mine = [start(tight, repo) for _ in range(3)]
        assert {answer.status for answer in mine} == {202}
        answer = start(tight, repo)
        (entry,) = tight.refused(answer, 429, "TOOMANYREQUESTS")
        assert "3 upload sessions open" in entry["message"]
        assert "client_uploads_max" in entry["message"]
        assert int(answer.headers["retry-after"]) > 0
        theirs = start(tight, repo, "127.0.0.3")
        assert theirs.status == 202
        cancel(tight, *mine, theirs)

    def test_a_mount_that_becomes_a_session_counts(self, tight, repo):
        mine = [start(tight, repo, query=f"?mount=sha256:{'0' * 64}") for _ in range(3)]
        tight.refused(start(tight, repo), 429, "TOOMANYREQUESTS")
        cancel(tight, *mine)

    @pytest.mark.parametrize("end", ["finish", "fail", "cancel", "elsewhere"])
    def test_what_has_ended_does_not_count(self, tight, repo, tools, end):
        mine = [start(tight, repo) for _ in range(3)]
        tight.refused(start(tight, repo), 429, "TOOMANYREQUESTS")
        location = mine[0].headers["location"]
        match end:
            case "finish" | "fail":
                content = b"content" if end == "finish" else b"other"
                digest = tools.digest_of(b"content")
                ended = tight.http.put(location, params={"digest": digest}, content=content)
                assert ended.status_code == (201 if end == "finish" else 400)
            case "cancel":
                cancel(tight, mine[0])
            case "elsewhere":  # by another worker, or a sweep
                session = location.rpartition("/")[2]
                tight.engine.cancel_upload(tools.name(repo), session)
        answers = []

        def again():
            answers.append(start(tight, repo))
            return answers[-1].status

        if end == "elsewhere":  # noticed at the next look
            assert tools.becomes(again, 202)
        else:
            assert again() == 202
        cancel(tight, answers[-1], *mine[1:])

    def test_what_was_of_a_deleted_registry_does_not_count(self, tight, repo, tools):
        """Nor is it told of to a client that now asks for another."""
        tight.engine.create_registry("brief", by="tests")
        for _ in range(3):
            assert start(tight, "brief/app").status == 202
        tight.engine.delete_registry("brief", by="tests", force=True)
        answers = []

        def again():
            answers.append(start(tight, repo))
            return answers[-1].status

        assert tools.becomes(again, 202)
        assert {answer.status for answer in answers} <= {429, 202}
        cancel(tight, answers[-1])

    def test_a_blob_in_one_request_is_no_open_session(self, tight, repo, tools):
        mine = [start(tight, repo) for _ in range(3)]
        body = b"in one"
        target = f"/v2/{repo}/blobs/uploads/?digest={tools.digest_of(body)}"
        head = f"POST {target} HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n\r\n"
        assert tight.raw(head.encode() + body, OTHER).status == 201
        cancel(tight, *mine)


class TestConnections:
    """As many as `client_connections_max` once they are scarce: here 50 of 300."""

    def test_one_client_cannot_have_them_all(self, tight, repo, tools):
        """It asks nothing on hundreds of them; another is served before they time out."""
        with ExitStack() as stack:
            idle = [stack.enter_context(tight.connect(OTHER)) for _ in range(420)]
            assert tight.raw(GET, "127.0.0.3").status == 200
            # Those in the backlog are let in as others end, until connections are scarce no more.
            assert tools.becomes(lambda: 50 <= sum(map(is_open, idle)) <= 150, wanted=True)
            left = next(filter(is_open, idle))
            left.sendall(GET)
            assert tight.answer(left).status == 200

    def test_only_what_is_idle_is_closed(self, tight, repo, tools):
        """The oldest of the client's connections are at work: one sends, one takes."""
        blob = tight.push_blob(repo, CONTENT)
        location = tight.start_upload(repo)
        with ExitStack() as stack:
            sending, taking = (stack.enter_context(tight.connect(OTHER)) for _ in "ab")
            sending.sendall(patch(location, 5) + b"a")
            taking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            taking.sendall(f"GET /v2/{repo}/blobs/{blob} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
            received = taking.recv(1000)
            idle = [stack.enter_context(tight.connect(OTHER)) for _ in range(250)]
            assert tools.becomes(lambda: 48 <= sum(map(is_open, idle)) <= 148, wanted=True)
            for byte in b"bcde":
                sending.sendall(bytes([byte]))
                time.sleep(0.3)  # longer than connections may be idle when they are scarce
            assert tight.answer(sending).status == 202
            head, _, body = received.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            while len(body) < len(CONTENT):
                body += taking.recv(1_000_000)
            assert body == CONTENT
        assert tight.http.delete(location).status_code == 204

    def test_while_there_are_enough_idle_ones_are_let_be(self, tight):
        with ExitStack() as stack:
            idle = [stack.enter_context(tight.connect(OTHER)) for _ in range(80)]
            time.sleep(1)  # several looks
            assert all(map(is_open, idle))


def is_open(client):
    """Whether the server has not closed it, as far as this end knows."""
    client.setblocking(False)  # noqa: FBT003
    try:
        return client.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False
    finally:
        client.settimeout(10)
