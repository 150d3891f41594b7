"""Promotions over HTTP: whole repositories, globs, plans, keys, and looking them up."""

import json
import re

import pytest

PATH = "/api/v1/promotions"


@pytest.fixture
def target(repo):
    return repo.replace("dev/", "prod/")


@pytest.fixture
def images(server, repo):
    """Three tags, by name."""
    return {tag: server.push_image(repo, tag, layer=tag.encode()) for tag in ("1.0", "1.1", "2.0")}


def tags_of(server, name):
    return server.http.get(f"/v2/{name}/tags/list").json().get("tags")


class TestSets:
    def test_a_source_without_a_tag_is_the_whole_repository(self, server, repo, target, images):
        answer = server.promote(repo, target)
        assert answer.status_code == 201, answer.text
        assert tags_of(server, target) == ["1.0", "1.1", "2.0"]
        (item,) = answer.json()["items"]
        assert item["counts"]["tags"] == 3
        assert item["counts"]["manifests"] == 3

    def test_a_glob_that_selects_nothing_is_404(self, server, repo, target, images):
        problem = server.problem(server.promote(repo, target, tags="x*"), 404, "nothing-selected")
        assert repo in problem["violations"][0]["object"]

    def test_a_move_of_a_whole_repository_takes_its_name_away(self, server, repo, target, images):
        assert server.promote(repo, target, mode="move").status_code == 201
        assert tags_of(server, target) == ["1.0", "1.1", "2.0"]
        server.refused(server.http.get(f"/v2/{repo}/tags/list"), 404, "NAME_UNKNOWN")

    @pytest.mark.parametrize(
        ("tags", "wanted"),
        [
            ("*", ["1.0", "1.1", "2.0"]),
            ("1.*", ["1.0", "1.1"]),
            (["1.0", "2.0"], ["1.0", "2.0"]),
        ],
    )
    def test_tags_are_chosen_by_a_glob_or_by_name(self, server, repo, target, images, tags, wanted):
        answer = server.promote(repo, target, tags=tags)
        assert answer.status_code == 201, answer.text
        assert tags_of(server, target) == wanted
        assert [item["target"] for item in answer.json()["items"]] == [
            f"{target}:{tag}" for tag in wanted
        ]

    def test_a_template_renames_them(self, server, repo, target, images):
        answer = server.promote(repo, target, tags="1.*", retag="{tag}-rc")
        assert answer.status_code == 201, answer.text
        assert tags_of(server, target) == ["1.0-rc", "1.1-rc"]

    def test_several_items_are_one_promotion(self, server, repo, target, images):
        items = [
            {"source": f"{repo}:1.0", "target": f"{target}:a"},
            {"source": f"{repo}:2.0", "target": f"{target}:b"},
        ]
        answer = server.http.post(PATH, json={"items": items})
        assert answer.status_code == 201, answer.text
        assert tags_of(server, target) == ["a", "b"]

    def test_one_bad_item_refuses_all_and_every_one_is_listed(self, server, repo, target, images):
        """E46."""
        absent = [f"absent-{number}" for number in range(3)]
        items = [{"source": f"{repo}:{tag}", "target": target} for tag in ("1.0", *absent)]
        answer = server.http.post(PATH, json={"items": items})
        problem = server.problem(answer, 404, "manifest-unknown")
        assert [violation["object"] for violation in problem["violations"]] == [
            f"{repo}:{tag}" for tag in absent
        ]
        assert server.http.get(f"/v2/{target}/tags/list").status_code == 404

    def test_two_sources_of_one_target_are_409(self, server, repo, target, images):
        """E65."""
        items = [{"source": f"{repo}:{tag}", "target": f"{target}:x"} for tag in ("1.0", "2.0")]
        problem = server.problem(
            server.http.post(PATH, json={"items": items}), 409, "targets-collide"
        )
        assert problem["violations"][0]["object"] == f"{target}:x"

    def test_a_tag_for_several_is_422(self, server, repo, target, images):
        for tags in ("*", None):
            answer = server.promote(repo, f"{target}:x", tags=tags)
            server.problem(answer, 422, "promotion-invalid")


class TestPlans:
    def test_a_plan_that_holds_is_applied(self, server, repo, target, images):
        plan = server.promote(repo, target, tags="*", dry_run=True).json()["plan"]
        assert plan
        assert server.promote(repo, target, tags="*", plan=plan).status_code == 201

    @pytest.mark.parametrize("tags", ["*", None])
    def test_an_outdated_plan_is_412_with_the_new_one(self, server, repo, target, images, tags):
        plan = server.promote(repo, target, tags=tags, dry_run=True).json()["plan"]
        server.push_image(repo, "1.0", layer=b"changed meanwhile")
        answer = server.promote(repo, target, tags=tags, plan=plan)
        problem = server.problem(answer, 412, "plan-outdated")
        new = problem["promotion"]
        assert (new["dry_run"], new["id"]) == (True, None)
        assert new["plan"] not in {None, plan}
        assert server.http.get(f"/v2/{target}/tags/list").status_code == 404
        assert server.promote(repo, target, tags=tags, plan=new["plan"]).status_code == 201

    def test_an_image_can_be_held_to_its_plan_too(self, server, repo, target, images):
        plan = server.promote(f"{repo}:1.0", target, dry_run=True).json()["plan"]
        server.push_image(repo, "1.0", layer=b"changed meanwhile")
        answer = server.promote(f"{repo}:1.0", target, plan=plan)
        server.problem(answer, 412, "plan-outdated")


class TestKeys:
    def test_the_same_again_is_the_first_answer(self, server, repo, target, images):
        headers = {"Idempotency-Key": f"{repo}-key"}
        first = server.promote(f"{repo}:1.0", target, headers=headers)
        assert first.status_code == 201
        server.push_image(repo, "1.0", layer=b"changed meanwhile")
        again = server.promote(f"{repo}:1.0", target, headers=headers)
        assert again.status_code == first.status_code
        assert again.json() == first.json()
        assert again.headers["location"] == first.headers["location"]

    def test_another_request_under_a_key_is_422(self, server, repo, target, images):
        headers = {"Idempotency-Key": f"{repo}-key"}
        assert server.promote(f"{repo}:1.0", target, headers=headers).status_code == 201
        other = server.promote(f"{repo}:1.1", target, headers=headers)
        server.problem(other, 422, "key-reused")

    def test_a_key_holds_for_a_big_promotion_too(self, server, repo, target, images):
        headers = {"Idempotency-Key": f"{repo}-key"}
        first = server.promote(repo, target, headers=headers)
        assert first.status_code == 201
        assert server.promote(repo, target, headers=headers).json() == first.json()


class TestLookingUp:
    def test_a_promotion_is_told_as_it_answered_then(self, server, repo, target, images):
        for answer in (
            server.promote(f"{repo}:1.0", target, comment="one"),
            server.promote(repo, f"{target}/all", comment="all"),
            server.promote(repo, f"{target}/some", tags="1.*", mode="move"),
        ):
            assert answer.status_code == 201, answer.text
            told = server.http.get(answer.headers["location"])
            assert told.status_code == 200
            assert told.headers["content-type"] == "application/json"
            # Which manifests came along is told once; the history has how many.
            unlisted = {"manifests": [], "referrers": []}
            assert told.json() == answer.json() | unlisted

    def test_head_gives_the_headers_of_get(self, server, repo, target, images):
        location = server.promote(f"{repo}:1.0", target).headers["location"]
        head, got = server.head(location), server.get(location)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == got.headers["content-length"]

    def test_an_unknown_number_is_404(self, server):
        answer = server.http.get(f"{PATH}/123456789")
        server.problem(answer, 404, "promotion-unknown")

    def test_the_list_is_newest_first_and_paged(self, server, repo, target, images):
        numbers = [
            server.promote(f"{repo}:{tag}", target, comment=tag).json()["id"] for tag in images
        ]
        undone = server.http.post(f"{PATH}/{numbers[-1]}/undo").json()["id"]
        newest = [undone, *reversed(numbers)]
        answer = server.http.get(PATH, params={"limit": 2})
        assert answer.status_code == 200
        listed = answer.json()
        assert [entry["id"] for entry in listed["promotions"]] == newest[:2]
        assert listed["promotions"][0]["undoes"] == numbers[-1]
        assert listed["promotions"][1]["comment"] == "2.0"
        assert listed["promotions"][1]["items"] == 1
        assert listed["next"] == str(newest[1])
        target_of = re.fullmatch(r'<(.+)>; rel="next"', answer.headers["link"])
        assert target_of[1] == f"{PATH}?limit=2&after={newest[1]}"
        following = server.http.get(target_of[1]).json()
        assert [entry["id"] for entry in following["promotions"]] == newest[2:4]

    def test_the_list_ends(self, server, repo, target, images):
        first = server.promote(f"{repo}:1.0", target).json()["id"]
        answer = server.http.get(PATH, params={"after": 1})
        assert answer.json() == {"promotions": [], "next": None}
        assert "link" not in answer.headers
        seen, after = [], str(first + 1)
        while after is not None:
            page = server.http.get(PATH, params={"limit": 3, "after": after}).json()
            seen += [entry["id"] for entry in page["promotions"]]
            after = page["next"]
        assert seen[0] == first
        assert seen == sorted(set(seen), reverse=True)

    def test_a_whole_repository_can_be_undone(self, server, repo, target, images):
        number = server.promote(repo, target, mode="move").json()["id"]
        undone = server.http.post(f"{PATH}/{number}/undo")
        assert undone.status_code == 201, undone.text
        assert tags_of(server, repo) == ["1.0", "1.1", "2.0"]
        assert json.loads(undone.content)["undoes"] == number
