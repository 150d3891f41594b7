"""Promotions over HTTP: asked for, refused with reasons, undone."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

PATH = "/api/v1/promotions"
ABSENT = "sha256:" + "0" * 64
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def target(repo):
    """Where the test's repository goes."""
    return repo.replace("dev/", "prod/")


@pytest.fixture
def image(server, repo):
    return server.push_image(repo, "1")


def post(server, body, **headers):
    return server.http.post(PATH, content=body, headers=JSON | headers)


def one(repo, target, **more):
    return json.dumps({"items": [{"source": f"{repo}:1", "target": f"{target}:1"}], **more})


class TestPromote:
    def test_a_promotion_answers_what_it_did_and_where_that_is_told(
        self, server, repo, target, image
    ):
        answer = server.promote(f"{repo}:1", f"{target}:2", comment="ship it")
        assert answer.status_code == 201, answer.text
        assert answer.headers["content-type"] == "application/json"
        told = answer.json()
        assert answer.headers["location"] == f"{PATH}/{told['id']}"
        assert isinstance(told["id"], int)
        assert (told["mode"], told["by"], told["comment"]) == ("copy", "anonymous", "ship it")
        assert (told["changed"], told["dry_run"], told["undoes"]) == (True, False, None)
        (item,) = told["items"]
        assert item == {
            "source": f"{repo}:1",
            "target": f"{target}:2",
            "digest": image.digest,
            "previous_digest": None,
            "action": "create",
            "attachment": False,
            "taken": False,
        }
        assert (told["linked"], told["manifests"]) == (1, [image.digest])
        pulled = server.http.get(f"/v2/{target}/manifests/2")
        assert pulled.content == image.body

    def test_what_the_target_leaves_out_is_the_sources(self, server, repo, target, image):
        assert server.promote(f"{repo}:1", "prod").status_code == 201
        assert server.http.get(f"/v2/{target}/manifests/1").content == image.body

    def test_all_that_may_be_left_out_may_be_null_or_its_default(self, server, repo, target, image):
        answer = server.promote(
            f"{repo}:1",
            f"{target}:1",
            tags=None,
            retag=None,
            expect_source=None,
            expect_target=None,
            mode="copy",
            comment="",
            dry_run=False,
            plan=None,
            purge=False,
            attachments=None,
        )
        assert answer.status_code == 201, answer.text

    def test_again_changes_nothing_and_is_200(self, server, repo, target, image):
        assert server.promote(f"{repo}:1", target).status_code == 201
        again = server.promote(f"{repo}:1", target)
        assert again.status_code == 200
        assert "location" not in again.headers
        assert again.json()["changed"] is False
        assert [item["action"] for item in again.json()["items"]] == ["unchanged"]

    def test_a_move_takes_the_tag_away(self, server, repo, target, image):
        answer = server.promote(f"{repo}:1", target, mode="move")
        assert answer.status_code == 201
        assert answer.json()["mode"] == "move"
        assert server.http.get(f"/v2/{repo}/manifests/1").status_code == 404
        assert server.http.get(f"/v2/{repo}/manifests/{image.digest}").status_code == 200

    def test_by_digest(self, server, repo, target, image):
        answer = server.promote(f"{repo}@{image.digest}", f"{target}:1", expect_target="absent")
        assert answer.status_code == 201
        assert server.http.get(f"/v2/{target}/manifests/1").content == image.body

    def test_a_dry_run_says_what_would_be_and_does_nothing(self, server, repo, target, image):
        answer = server.promote(f"{repo}:1", target, dry_run=True)
        assert answer.status_code == 200
        assert "location" not in answer.headers
        told = answer.json()
        assert (told["id"], told["dry_run"], told["changed"]) == (None, True, True)
        assert [item["action"] for item in told["items"]] == ["create"]
        server.refused(server.http.get(f"/v2/{target}/manifests/1"), 404, "NAME_UNKNOWN")

    def test_expectations_that_hold_do_no_harm(self, server, repo, target, image):
        first = server.promote(
            f"{repo}:1", target, expect_source=image.digest, expect_target="absent"
        )
        assert first.status_code == 201
        other = server.push_image(repo, "1", layer=b"another")
        second = server.promote(
            f"{repo}:1", target, expect_source=other.digest, expect_target=image.digest
        )
        assert second.status_code == 201
        (item,) = second.json()["items"]
        assert (item["action"], item["previous_digest"]) == ("overwrite", image.digest)

    @pytest.mark.parametrize("length", [1, 255])
    def test_an_idempotency_key_is_taken(self, server, repo, target, image, length):
        answer = server.promote(f"{repo}:1", target, headers={"Idempotency-Key": "k" * length})
        assert answer.status_code == 201

    @pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", None])
    def test_the_content_type_may_have_parameters_or_be_absent(
        self, server, repo, target, image, content_type
    ):
        body = one(repo, target).encode()
        lines = [f"POST {PATH} HTTP/1.1", "Host: t", f"Content-Length: {len(body)}"]
        lines += [f"Content-Type: {content_type}"] if content_type else []
        answer = server.raw("\r\n".join([*lines, "", ""]).encode() + body)
        assert answer.status == 201

    def test_a_body_in_transfer_chunks_is_read(self, server, repo, target, image):
        body = one(repo, target).encode()
        head = f"POST {PATH} HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        chunks = b"5\r\n" + body[:5] + b"\r\n%x\r\n" % (len(body) - 5) + body[5:] + b"\r\n0\r\n\r\n"
        assert server.raw(head + chunks).status == 201

    def test_a_promotion_whose_client_leaves_is_done_all_the_same(
        self, server, repo, target, image, tools
    ):
        """What the server has read whole, it does whole."""
        body = one(repo, target).encode()
        head = f"POST {PATH} HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with server.connect() as client:
            client.sendall(head + body)
        assert tools.becomes(lambda: server.http.get(f"/v2/{target}/manifests/1").status_code, 200)

    def test_many_at_once_are_answered_each_with_its_own(self, server, repo, target):
        images = {str(n): server.push_image(repo, str(n), layer=b"%d" % n) for n in range(20)}

        def promote(tag):
            refused = server.promote(f"{repo}:absent-{tag}", target)
            return server.promote(f"{repo}:{tag}", target), refused

        with ThreadPoolExecutor(10) as pool:
            answers = dict(zip(images, pool.map(promote, images), strict=True))
        for tag, (answer, refused) in answers.items():
            assert answer.status_code == 201
            assert [item["digest"] for item in answer.json()["items"]] == [images[tag].digest]
            problem = server.problem(refused, 404, "manifest-unknown")
            assert problem["violations"][0]["object"] == f"{repo}:absent-{tag}"
        assert len({answer.json()["id"] for answer, _ in answers.values()}) == len(images)

    def test_half_a_body_promotes_nothing(self, server, repo, target, image):
        body = one(repo, target).encode()
        head = f"POST {PATH} HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with server.connect() as client:
            client.sendall(head + body[:-1])
            client.shutdown(1)
            client.recv(10_000)
        server.refused(server.http.get(f"/v2/{target}/manifests/1"), 404, "NAME_UNKNOWN")


class TestRefused:
    def test_an_unknown_registry_is_404_and_not_created(self, server, repo, image):
        problem = server.problem(server.promote(f"{repo}:1", "nowhere"), 404, "registry-unknown")
        assert problem["title"] == "Registry unknown"
        (violation,) = problem["violations"]
        assert violation["rule"] == "registry-unknown"
        assert violation["object"] == "nowhere"
        assert violation["facts"] == {"registry": "nowhere"}
        assert violation["remedy"]

    def test_an_unknown_repository_or_tag_is_404(self, server, repo, target, image):
        absent = server.promote(f"{repo}/absent:1", target)
        problem = server.problem(absent, 404, "repository-unknown")
        assert problem["violations"][0]["object"] == f"{repo}/absent"
        absent = server.promote(f"{repo}:absent", target)
        problem = server.problem(absent, 404, "manifest-unknown")
        assert problem["violations"][0]["object"] == f"{repo}:absent"
        absent = server.promote(f"{repo}@{ABSENT}", target)
        problem = server.problem(absent, 404, "manifest-unknown")
        assert problem["violations"][0]["object"] == f"{repo}@{ABSENT}"

    def test_a_tag_that_is_elsewhere_is_412_and_nothing_is_changed(
        self, server, repo, target, image
    ):
        """E47."""
        answer = server.promote(f"{repo}:1", target, expect_target=ABSENT)
        problem = server.problem(answer, 412, "tag-moved")
        (violation,) = problem["violations"]
        assert violation["object"] == f"{target}:1"
        assert violation["facts"] == {
            "tag": f"{target}:1",
            "expected": ABSENT,
            "found": "absent",
        }
        server.refused(server.http.get(f"/v2/{target}/manifests/1"), 404, "NAME_UNKNOWN")

    def test_every_violation_is_listed_and_the_gravest_gives_the_status(
        self, server, repo, target, image
    ):
        items = [
            {"source": f"{repo}:1", "target": f"{target}:1", "expect_target": ABSENT},
            {"source": f"{repo}:1", "target": f"{target}:2", "expect_source": ABSENT},
            {"source": f"{repo}:absent", "target": f"{target}:3"},
        ]
        answer = server.http.post(PATH, json={"items": items})
        problem = server.problem(answer, 404, "manifest-unknown")
        rules = [violation["rule"] for violation in problem["violations"]]
        assert sorted(rules) == ["manifest-unknown", "tag-moved", "tag-moved"]
        assert problem["detail"].startswith("3 rules are broken. ")

    def test_what_does_not_fit_together_is_422(self, server, repo, target, image):
        answer = server.promote(f"{repo}@{image.digest}", f"{target}:1", mode="move")
        server.problem(answer, 422, "promotion-invalid")

    @pytest.mark.parametrize(
        ("field", "text", "rule"),
        [
            ("source", "dev/Upper:1", "name-invalid"),
            ("source", "dev/app:", "name-invalid"),
            ("source", "dev:1", "name-incomplete"),
            ("source", "", "name-invalid"),
            ("source", "dev/app@sha256:12", "digest-invalid"),
            ("target", "prod/app@" + ABSENT, "name-invalid"),
            ("target", "localhost:5000/prod/app", "name-invalid"),
            ("expect_source", "sha256:12", "digest-invalid"),
            ("expect_target", "anything", "digest-invalid"),
        ],
    )
    def test_names_and_digests_that_are_none_are_422(self, server, field, text, rule):
        item = {"source": "dev/app:1", "target": "prod/app", field: text}
        answer = server.http.post(PATH, json={"items": [item]})
        server.problem(answer, 422, rule)

    def test_all_names_that_are_none_are_listed(self, server):
        items = [{"source": "dev/A:1", "target": "!"}, {"source": "dev/b:1", "target": "?"}]
        problem = server.problem(server.http.post(PATH, json={"items": items}), 422, "name-invalid")
        assert [violation["object"] for violation in problem["violations"]] == ["dev/A", "!", "?"]

    def test_what_a_client_sent_is_not_sent_back_at_length(self, server):
        answer = server.http.post(
            PATH, json={"items": [{"source": "x" * 1_000_000, "target": "prod"}]}
        )
        server.problem(answer, 422, "name-invalid")
        assert len(answer.content) < 4000

    def test_a_comment_over_its_limit_is_422(self, server, repo, target, image):
        answer = server.promote(f"{repo}:1", target, comment="x" * 1001)
        server.problem(answer, 422, "text-invalid")


ITEM = '{"source": "dev/a:1", "target": "prod"}'


class TestDocuments:
    @pytest.mark.parametrize(
        ("body", "told"),
        [
            ("[]", "a promotion is an object with fields"),
            ("null", "and not null"),
            ("1", "and not 1"),
            ("{}", "lacks `items`"),
            ('{"items": null}', "`items` must be a list of items"),
            ('{"items": []}', "it has no items; name at least one source and target"),
            ('{"items": {}}', "and not an object"),
            ('{"items": [1]}', "Item 1: "),
            ('{"items": [{}]}', "lacks `source`"),
            ('{"items": [{"source": "dev/a:1"}]}', "lacks `target`"),
            ('{"items": [{"target": "prod"}]}', "lacks `source`"),
            ('{"items": [{"source": 1, "target": "prod"}]}', "`source` must be text, and not 1"),
            ('{"items": [{"source": "dev/a:1", "target": "prod", "tag": "1"}]}', "field `tag`"),
            ('{"items": [{"source": "dev/a", "target": "prod", "tags": 1}]}', "a list of tags"),
            ('{"items": [{"source": "dev/a", "target": "prod", "tags": [1]}]}', "a list of tags"),
            (f'{{"items": [{ITEM}], "mode": "mv"}}', '"copy" or "move", and not "mv"'),
            (f'{{"items": [{ITEM}], "dry_run": "yes"}}', "`dry_run` must be true or false"),
            (f'{{"items": [{ITEM}], "comment": null}}', "`comment` must be text"),
            (f'{{"items": [{ITEM}], "dryRun": true}}', "no field `dryRun`"),
            (f'{{"items": [{ITEM}], "attachments": "both"}}', '"source" or "target"'),
        ],
    )
    def test_another_form_is_422_and_says_what_is_allowed(self, server, body, told):
        problem = server.problem(post(server, body), 422, "promotion-invalid")
        assert told in problem["detail"]

    def test_all_that_is_wrong_is_told_and_of_which_item(self, server):
        items = [
            {"source": "dev/a:1", "target": "PROD"},
            {"source": "dev/a@sha256:12", "target": "prod"},
            {"source": "dev/a:1"},
            {"source": "dev/a:1", "target": "prod", "tags": "*"},
            {"source": "dev/a:1", "target": "prod", "tags": "*"},
            {"source": "dev/a:1", "target": "prod"},
        ]
        document = {"items": items, "purge": True, "why": "?", "comment": "x" * 1001}
        answer = post(server, json.dumps(document))
        told = server.problem(answer, 422, "promotion-invalid")["violations"]
        assert [(one["rule"], one["facts"].get("item")) for one in told] == [
            ("promotion-invalid", None),
            ("promotion-invalid", None),
            ("text-invalid", None),
            ("name-invalid", 1),
            ("digest-invalid", 2),
            ("promotion-invalid", 3),
            ("promotion-invalid", 4),
            ("promotion-invalid", 5),
            ("repository-unknown", None),
        ]
        assert told[3]["facts"]["name"] == "PROD"
        assert told[6]["detail"].startswith("Item 4: The promotion is refused: dev/a:1 names an")
        answer = post(server, json.dumps({"items": items[-2:], "purge": True}))
        told = server.problem(answer, 422, "promotion-invalid")["violations"]
        assert "purge goes with a move" in told[0]["detail"]
        assert [one["facts"].get("item") for one in told] == [None, 1, None]

    def test_an_unknown_field_is_named(self, server, repo, target):
        problem = server.problem(
            post(server, one(repo, target, dryRun=True)), 422, "promotion-invalid"
        )
        assert "dryRun" in problem["detail"]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"{'items': []}",
            b'{"items": [],}',
            b'{"items": []} x',
            b'{"items": NaN}',
            b'{"items": "\xff"}',
            b'{"items": "\\ud800"}',
            '{"items": []}'.encode("utf-16"),
            b'\xef\xbb\xbf{"items": []}',
            b"[" * 100_000,
            b"[" * 100_000 + b"]" * 100_000,
            b'{"items":' * 20_000,
            b"1" * 10_000,
        ],
        ids=lambda body: ascii(body[:24]),
    )
    def test_what_is_no_json_is_400(self, server, body):
        server.problem(post(server, body), 400)

    @pytest.mark.parametrize(
        "body",
        [
            '{"items": [{"source": "dev/a:1", "target": "prod"}], "purge": true, "purge": false}',
            '{"items": [{"source": "dev/a:1", "target": "prod", "target": "test"}]}',
        ],
    )
    def test_a_key_that_comes_twice_is_400(self, server, body):
        """One reader would take the first, another the last."""
        assert "twice" in server.problem(post(server, body), 400)["detail"]

    @pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
    def test_another_content_type_is_415(self, server, repo, target, content_type):
        answer = post(server, one(repo, target), **{"Content-Type": content_type})
        server.problem(answer, 415)
        assert answer.headers["accept"] == "application/json"

    def test_a_body_over_the_limit_is_413_and_names_it(self, server):
        body = one("dev/a", "prod/a", comment="x" * 4 * 1024 * 1024)
        problem = server.problem(post(server, body), 413)
        assert "document_bytes_max" in problem["detail"]

    def test_a_long_document_within_the_limit_is_read(self, server, repo, target):
        """In a thread, and with the same answers."""
        items = [
            {"source": f"{repo}:{n}", "target": f"{target}:{f'!{n:050}' if n else n}"}
            for n in range(1000)
        ]
        answer = server.http.post(PATH, json={"items": items})
        assert len(answer.request.content) > 64 * 1024
        problem = server.problem(answer, 422, "name-invalid")
        assert len(problem["violations"]) == 999 + 1  # the first has no source

    def test_of_too_many_items_the_limit_is_named(self, server):
        items = [{"source": "dev/a:1", "target": "prod"}] * 1001
        problem = server.problem(
            server.http.post(PATH, json={"items": items}), 422, "promotion-invalid"
        )
        assert "may have 1000 (promotion_items_max)" in problem["detail"]
        assert len(problem["violations"]) == 1

    @pytest.mark.parametrize("key", ["", "x" * 256, "two words", "tab\there", "ü"])
    def test_an_idempotency_key_that_is_none_is_422(self, server, repo, target, image, key):
        body = one(repo, target).encode()
        lines = [f"POST {PATH} HTTP/1.1", "Host: t", f"Content-Length: {len(body)}"]
        head = "\r\n".join([*lines, f"Idempotency-Key: {key}", "", ""]).encode("latin-1")
        problem = server.problem(server.raw(head + body), 422, "promotion-invalid")
        assert "Idempotency-Key" in problem["detail"]

    def test_two_idempotency_keys_are_422(self, server, repo, target, image):
        answer = server.http.post(
            PATH,
            content=one(repo, target),
            headers=[("Content-Type", "application/json"), *([("Idempotency-Key", "a")] * 2)],
        )
        server.problem(answer, 422, "promotion-invalid")


class TestEndpoints:
    @pytest.mark.parametrize(
        "path",
        [
            "/api/x",
            "/api/v1",
            "/api/v2/promotions",
            "/api/v1/promotions/",
            "/api/v1/promotions//undo",
            "/api/v1/promotions/1/redo",
            "/api/v1/promotions/1/undo/",
            "/api/v1/%70romotions/x/y",
            "/api/v1/%2f",
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_what_is_no_endpoint_is_404(self, server, method, path):
        server.problem(server.get(path, method=method), 404)

    @pytest.mark.parametrize("path", ["/api/v1/%ff", "/api/v1/tags/%80"])
    def test_what_cannot_be_decoded_is_422(self, server, path):
        server.problem(server.get(path), 422, "name-invalid")

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("PUT", PATH, "GET, HEAD, POST"),
            ("DELETE", f"{PATH}/1", "GET, HEAD"),
            ("POST", f"{PATH}/1", "GET, HEAD"),
            ("GET", f"{PATH}/1/undo", "POST"),
            ("TRACE", PATH, "GET, HEAD, POST"),
        ],
    )
    def test_a_wrong_method_is_405_with_the_right_ones(self, server, method, path, allowed):
        answer = server.get(path, method=method)
        server.problem(answer, 405)
        assert answer.headers["allow"] == allowed

    def test_its_answers_do_not_claim_to_be_a_registrys(self, server):
        assert "docker-distribution-api-version" not in server.get("/api/v1").headers

    def test_a_target_over_the_limit_is_414(self, server):
        server.problem(server.get(f"{PATH}?{'x' * 9000}"), 414)

    @pytest.mark.parametrize(
        "number", ["0", "-1", "1.0", "x", "01", "9" * 19, "9" * 5000, "%D9%A1", "1%20"]
    )
    def test_what_is_no_number_is_404(self, server, number):
        server.problem(server.get(f"{PATH}/{number}"), 404)
        server.problem(server.get(f"{PATH}/{number}/undo", method="POST"), 404)

    def test_a_cursor_that_is_none_is_400(self, server):
        for after in ("0", "-1", "x", "9" * 19):
            answer = server.get(f"{PATH}?after={after}")
            server.problem(answer, 400, "parameter-invalid")

    def test_a_count_that_is_none_is_400(self, server):
        for count in ("0", "-1", "x", "1.5", "1001", "", "01", "%D9%A1", "9" * 5000):
            answer = server.get(f"{PATH}?limit={count}")
            server.problem(answer, 400, "parameter-invalid")


class TestUndo:
    @pytest.fixture
    def number(self, server, repo, target, image):
        return server.promote(f"{repo}:1", target).json()["id"]

    @pytest.mark.parametrize("content", [b"", b"{}", b'{"comment":"no"}'])
    def test_an_undo_answers_like_a_promotion(self, server, target, number, content):
        answer = server.http.post(f"{PATH}/{number}/undo", content=content)
        assert answer.status_code == 201, answer.text
        told = answer.json()
        assert told["undoes"] == number
        assert told["id"] != number
        assert told["comment"] == ("no" if b"no" in content else "")
        assert [item["action"] for item in told["items"]] == ["remove"]
        assert answer.headers["location"] == f"{PATH}/{told['id']}"
        assert server.http.get(f"/v2/{target}/manifests/1").status_code == 404

    def test_undone_again_is_200(self, server, number):
        assert server.http.post(f"{PATH}/{number}/undo").status_code == 201
        again = server.http.post(f"{PATH}/{number}/undo")
        assert again.status_code == 200
        assert again.json()["changed"] is False

    def test_a_dry_run_changes_nothing(self, server, target, number):
        answer = server.http.post(f"{PATH}/{number}/undo", json={"dry_run": True})
        assert answer.status_code == 200
        assert (answer.json()["dry_run"], answer.json()["changed"]) == (True, True)
        assert server.http.get(f"/v2/{target}/manifests/1").status_code == 200

    def test_an_undo_of_what_has_changed_is_409(self, server, target, number):
        server.push_image(target, "1", layer=b"a hotfix")
        problem = server.problem(server.http.post(f"{PATH}/{number}/undo"), 409, "undo-refused")
        assert problem["violations"][0]["object"] == str(number)

    def test_an_unknown_promotion_is_404(self, server):
        answer = server.http.post(f"{PATH}/123456789/undo")
        problem = server.problem(answer, 404, "promotion-unknown")
        assert problem["violations"][0]["facts"] == {"number": 123456789}

    @pytest.mark.parametrize(
        ("content", "status", "rule"),
        [
            (b'{"reason":"x"}', 422, "promotion-invalid"),
            (b'{"dry_run":1}', 422, "promotion-invalid"),
            (b"[]", 422, "promotion-invalid"),
            (b"{", 400, None),
            (b'{"comment":"a","comment":"b"}', 400, None),
        ],
    )
    def test_a_body_of_another_form_is_refused(self, server, number, content, status, rule):
        answer = server.http.post(f"{PATH}/{number}/undo", content=content)
        server.problem(answer, status, rule)

    def test_an_empty_body_may_be_of_any_type(self, server, number):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert server.http.post(f"{PATH}/{number}/undo", headers=headers).status_code == 201
