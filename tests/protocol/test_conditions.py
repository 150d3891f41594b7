"""If-Match and If-None-Match on PUT and DELETE of manifests (decision 6; RFC 9110, 13.1)."""

import pytest

ABSENT = "sha256:" + "0" * 64
ANOTHER = "sha256:" + "1" * 64


@pytest.fixture
def ask(server, repo):
    """Ask for a change of a manifest with preconditions, each a header field."""

    def ask(method, reference, image=None, **conditions):
        headers = [
            (name.replace("_", "-").encode(), text.encode("latin-1"))
            for name, texts in conditions.items()
            for text in ([texts] if isinstance(texts, str) else texts)
        ]
        content = image.body if image else b""
        return server.http.request(
            method, f"/v2/{repo}/manifests/{reference}", content=content, headers=headers
        )

    return ask


@pytest.fixture
def at(server, repo):
    """Where a tag is, as HEAD tells it."""

    def at(reference):
        answer = server.http.head(f"/v2/{repo}/manifests/{reference}")
        return answer.headers.get("etag", "").strip('"') or answer.status_code

    return at


def quoted(*digests):
    return ", ".join(f'"{digest}"' for digest in digests)


class TestTags:
    def test_a_tag_moves_on_from_where_it_was_seen(self, server, repo, ask, at):
        old, new = server.push_image(repo, "1"), server.push_image(repo, layer=b"new")
        refused = ask("PUT", "1", new, if_match=quoted(new.digest))
        (entry,) = server.refused(refused, 412, "DENIED")
        assert entry["message"].startswith(
            f"{repo}:1 is at {old.digest}, not at {new.digest} as expected. Look at it"
        )
        assert entry["detail"] == {
            "tag": f"{repo}:1",
            "expected": new.digest,
            "found": old.digest,
        }
        assert at("1") == old.digest
        etag = server.http.head(f"/v2/{repo}/manifests/1").headers["etag"]
        moved = ask("PUT", "1", new, if_match=etag)
        assert moved.status_code == 201
        assert at("1") == new.digest
        assert ask("PUT", "1", old, if_match=moved.headers["etag"]).status_code == 201
        assert at("1") == old.digest

    def test_a_tag_is_created_only_once(self, server, repo, ask, at):
        """Also where the same is pushed: whoever comes second learns of the first."""
        image, other = server.push_image(repo), server.push_image(repo, layer=b"other")
        assert ask("PUT", "1", image, if_none_match="*").status_code == 201
        for again in (other, image):
            refused = ask("PUT", "1", again, if_none_match="*")
            (entry,) = server.refused(refused, 412, "DENIED")
            assert f"is at {image.digest}, not absent as expected" in entry["message"]
        assert at("1") == image.digest

    @pytest.mark.parametrize("name", ["if_match", "if_none_match"])
    def test_a_tag_that_is_there_may_be_all_that_matters(self, server, repo, ask, name):
        old, new = server.push_image(repo, "1"), server.push_image(repo, layer=b"new")
        is_met = name == "if_match"
        for tag, statuses in (("1", (201, 412)), ("2", (412, 201))):
            status = statuses[not is_met]
            assert ask("PUT", tag, new, **{name: "*"}).status_code == status
        assert old.digest != new.digest

    def test_a_digest_may_be_the_one_thing_that_is_not_wanted(self, server, repo, ask, at):
        old, new = server.push_image(repo, "1"), server.push_image(repo, layer=b"new")
        refused = ask("PUT", "1", new, if_none_match=quoted(ANOTHER, old.digest))
        (entry,) = server.refused(refused, 412, "DENIED")
        assert "not elsewhere as expected" in entry["message"]
        assert ask("PUT", "2", new, if_none_match=quoted(new.digest)).status_code == 201
        assert ask("PUT", "1", new, if_none_match=quoted(new.digest)).status_code == 201
        assert at("1") == at("2") == new.digest

    def test_a_tag_is_deleted_only_where_it_was_seen(self, server, repo, ask, at):
        image = server.push_image(repo, "1")
        for conditions in (
            {"if_match": quoted(ANOTHER)},
            {"if_none_match": "*"},
            {"if_none_match": quoted(image.digest)},
        ):
            server.refused(ask("DELETE", "1", **conditions), 412, "DENIED")
            assert at("1") == image.digest
        assert ask("DELETE", "1", if_match=quoted(ANOTHER, image.digest)).status_code == 202
        assert at("1") == 404

    def test_both_conditions_must_hold(self, server, repo, ask, at):
        old, new = server.push_image(repo, "1"), server.push_image(repo, layer=b"new")
        there, other = quoted(old.digest), quoted(ANOTHER)
        for match, none_match in ((there, there), (other, other), ("*", there), (there, "*")):
            refused = ask("PUT", "1", new, if_match=match, if_none_match=none_match)
            server.refused(refused, 412, "DENIED")
        assert at("1") == old.digest
        assert ask("PUT", "1", new, if_match=there, if_none_match=other).status_code == 201


class TestDigests:
    def test_a_manifest_is_pushed_only_where_it_is_not_there(self, server, repo, ask):
        image = server.push_image(repo)
        refused = ask("PUT", image.digest, image, if_none_match="*")
        (entry,) = server.refused(refused, 412, "DENIED")
        assert f"{repo}@{image.digest} is there, not absent as expected." in entry["message"]
        assert ask("DELETE", image.digest).status_code == 202
        for conditions in ({"if_match": "*"}, {"if_match": quoted(image.digest)}):
            server.refused(ask("PUT", image.digest, image, **conditions), 412, "DENIED")
        assert ask("PUT", image.digest, image, if_none_match="*").status_code == 201
        assert ask("PUT", image.digest, image, if_match="*").status_code == 201

    def test_with_tags_it_is_still_about_the_manifest(self, server, repo, ask, at):
        """The resource is the path's; none of the tags is set if it is not as expected."""
        image, other = server.push_image(repo), server.push_image(repo, "1", layer=b"other")
        tagged = f"{image.digest}?tag=1&tag=2"
        server.refused(ask("PUT", tagged, image, if_none_match="*"), 412, "DENIED")
        assert (at("1"), at("2")) == (other.digest, 404)
        assert ask("PUT", tagged, image, if_match=quoted(image.digest)).status_code == 201
        assert at("1") == at("2") == image.digest

    def test_beside_a_tag_it_is_about_that_tag(self, server, repo, ask, at):
        image, other = server.push_image(repo), server.push_image(repo, "1", layer=b"other")
        server.refused(ask("PUT", "1?tag=2", image, if_none_match="*"), 412, "DENIED")
        assert at("2") == 404
        assert ask("PUT", "2?tag=1", image, if_none_match="*").status_code == 201
        assert at("1") == at("2") == image.digest != other.digest

    def test_a_manifest_is_deleted_only_where_it_is_wanted(self, server, repo, ask, at):
        image = server.push_image(repo, "1")
        for conditions in ({"if_none_match": "*"}, {"if_match": quoted(ANOTHER)}):
            server.refused(ask("DELETE", image.digest, **conditions), 412, "DENIED")
        assert at("1") == image.digest
        assert ask("DELETE", image.digest, if_match="*").status_code == 202
        assert at("1") == 404


class TestWhatComesFirst:
    def test_what_is_absent_is_404_to_a_delete(self, server, repo, ask):
        """RFC 9110, 13.2.1: a condition counts where the request would succeed without it."""
        conditions = {"if_match": quoted(ANOTHER)}
        server.refused(ask("DELETE", "1", **conditions), 404, "NAME_UNKNOWN")
        server.push_image(repo, "1")
        for reference in ("2", ABSENT):
            server.refused(ask("DELETE", reference, **conditions), 404, "MANIFEST_UNKNOWN")
            server.refused(ask("DELETE", reference, if_none_match="*"), 404, "MANIFEST_UNKNOWN")

    def test_the_body_is_judged_before_and_what_it_names_after(self, server, repo, tools, ask):
        image = server.push_image(repo, "1")
        body, image.body = image.body, b"{"
        never = {"if_match": quoted(ANOTHER)}
        server.refused(ask("PUT", "1", image, **never), 400, "MANIFEST_INVALID")
        image.body = tools.manifest(image.config, [(ABSENT, 1)])
        server.refused(ask("PUT", "1", image, **never), 412, "DENIED")
        met = {"if_match": quoted(tools.digest_of(body))}
        server.refused(ask("PUT", "1", image, **met), 404, "MANIFEST_BLOB_UNKNOWN")

    def test_a_refused_push_makes_no_repository(self, server, repo, ask):
        image = server.push_image(f"{repo}/elsewhere")
        server.refused(ask("PUT", "1", image, if_match="*"), 412, "DENIED")
        server.refused(server.http.get(f"/v2/{repo}/tags/list"), 404, "NAME_UNKNOWN")


class TestHeaders:
    def test_a_weak_tag_never_matches_strongly(self, server, repo, ask):
        """RFC 9110, 13.1.1 and 13.1.2: it does count for If-None-Match."""
        image = server.push_image(repo, "1")
        weak = f'W/"{image.digest}"'
        server.refused(ask("PUT", "1", image, if_match=weak), 412, "DENIED")
        server.refused(ask("PUT", "1", image, if_none_match=weak), 412, "DENIED")
        assert ask("PUT", "1", image, if_match=f'{weak}, "{image.digest}"').status_code == 201

    @pytest.mark.parametrize("tag", ['""', '"x"', '"sha256:abc"', '"a,b"', '"\xff"'])
    def test_a_tag_that_is_no_digest_matches_nothing(self, server, repo, ask, tag):
        image = server.push_image(repo, "1")
        server.refused(ask("PUT", "1", image, if_match=tag), 412, "DENIED")
        assert ask("PUT", "1", image, if_none_match=tag).status_code == 201
        assert ask("PUT", "1", image, if_match=f'{tag},"{image.digest}"').status_code == 201

    def test_fields_of_one_name_are_one_list(self, server, repo, ask):
        image = server.push_image(repo, "1")
        there, other = quoted(image.digest), quoted(ANOTHER)
        for lines in ([other, there], [there, other], ["", f", {there} ,, {other} ,"]):
            assert ask("PUT", "1", image, if_match=lines).status_code == 201
            server.refused(ask("PUT", "1", image, if_none_match=lines), 412, "DENIED")

    @pytest.mark.parametrize("lines", ["", ",", ", ,"])
    def test_an_empty_list_matches_nothing(self, server, repo, ask, lines):
        image = server.push_image(repo, "1")
        server.refused(ask("PUT", "1", image, if_match=lines), 412, "DENIED")
        assert ask("PUT", "1", image, if_none_match=lines).status_code == 201

    @pytest.mark.parametrize(
        "text",
        [
            ABSENT,
            f"'{ABSENT}'",
            f'"{ABSENT}',
            f'"{ABSENT}" "{ANOTHER}"',
            f'w/"{ABSENT}"',
            f'*, "{ABSENT}"',
            "**",
            ["*", "*"],
            '"a b"',
        ],
        ids=str,
    )
    @pytest.mark.parametrize("name", ["if_match", "if_none_match"])
    @pytest.mark.parametrize("method", ["PUT", "DELETE"])
    def test_what_cannot_be_read_is_refused_not_ignored(
        self, server, repo, ask, at, method, name, text
    ):
        image = server.push_image(repo, "1")
        other = server.push_image(repo, layer=b"other") if method == "PUT" else None
        (entry,) = server.refused(ask(method, "1", other, **{name: text}), 400, "UNSUPPORTED")
        assert name.replace("_", "-") in entry["message"].lower()
        assert "double quotes" in entry["message"]
        assert at("1") == image.digest

    @pytest.mark.parametrize("piece", ['"', '"",', "W/", ", ", '"" ', '"a",,'])
    def test_a_long_one_is_refused_at_once(self, server, repo, ask, piece):
        """Some grammars take minutes for this; the client gives up after seconds."""
        server.push_image(repo, "1")
        text = piece * (30_000 // len(piece)) + '"'
        server.refused(ask("DELETE", "1", if_match=text), 400, "UNSUPPORTED")
