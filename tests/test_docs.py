"""The documents: their links and code blocks, and the site that is made of them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")]
NAMES = [str(page.relative_to(ROOT)) for page in sorted(PAGES)]

LANGUAGES = {"console", "http", "ini", "json", "nginx", "python", "sh", "text", "toml", "yaml"}
"""`sh` and `python` are run by a test; `console` shows what somebody types, and is not run."""
DIRECTIVES = {"{eval-rst}", "{toctree}"}
RUNNERS = {
    "README.md": "tests/e2e/test_main_job.py",
    "docs/cli.md": "tests/e2e/test_cli_session.py",
    "docs/embedding.md": "tests/e2e/test_embedding.py",
    "docs/operations.md": "tests/e2e/test_operations.py",
}
"""Which test runs a page's `sh` and `python` blocks."""

README_LINES = range(60, 141)
FENCE = re.compile(r"^(`{3,})(\S*)[^\n]*\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
LOADED = re.compile(
    r"<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=\"(?:https?:)?//[^\"]*\"|"
    r"url\(['\"]?(?:https?:)?//|@import",
    re.IGNORECASE,
)


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of each code block."""
    return [(found[2], found[3]) for found in FENCE.finditer((ROOT / page).read_text())]


def prose(page: str) -> str:
    return FENCE.sub("", (ROOT / page).read_text())


def anchors(page: Path) -> set[str]:
    """What GitHub, and the site, call the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def links(page: str) -> Iterator[str]:
    yield from LINK.findall(prose(page))


@pytest.mark.parametrize("page", NAMES)
def test_links_within_the_project_lead_somewhere(page: str) -> None:
    dead = []
    for link in links(page):
        if urlsplit(link).scheme:
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("page", NAMES)
def test_links_to_the_world_are_well_formed(page: str) -> None:
    """Whether they lead somewhere, only the world can say."""
    for link in links(page):
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme == "https", link
            assert "." in parts.netloc, link


@pytest.mark.parametrize("page", NAMES)
def test_blocks_say_what_language_they_are(page: str) -> None:
    assert {language for language, _ in blocks(page)} <= LANGUAGES | DIRECTIVES


@pytest.mark.parametrize("page", NAMES)
def test_what_looks_as_if_it_could_be_run_is_run(page: str) -> None:
    if any(language in {"sh", "python"} for language, _ in blocks(page)):
        runner = RUNNERS.get(page)
        assert runner, "run them in a test and name it in RUNNERS, or make them `console`"
        assert Path(page).name in (ROOT / runner).read_text()


@pytest.mark.parametrize("page", NAMES)
def test_python_compiles(page: str) -> None:
    for language, text in blocks(page):
        if language == "python":
            compile(text, page, "exec")


def test_pictures_are_shown() -> None:
    shown = "".join(page.read_text() for page in PAGES)
    assert [each.name for each in (DOCS / "pictures").iterdir() if each.name not in shown] == []


def test_the_readme_is_as_long_as_a_stranger_reads() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) in README_LINES


def test_paths_in_the_architecture_are_there() -> None:
    named = re.findall(
        r"`((?:[a-z_]+/)+(?:[a-z_]+\.py)?|[a-z_]+\.py)`", prose("docs/architecture.md")
    )
    roots = [ROOT, ROOT / "engine" / "liftlock", ROOT / "cli"]
    assert len(named) > 10
    assert [each for each in named if not any((root / each).exists() for root in roots)] == []


def test_every_decision_has_its_parts() -> None:
    """Why it had to be decided, what else was thought of, and what would reopen it."""
    for page in sorted((DOCS / "decisions").glob("0*.md")):
        text = page.read_text()
        assert text.startswith(f"# {int(page.name[:4])}. "), page.name
        for part in ("**Context.**", "**Rejected.**", "**Revisit**"):
            assert part in text, (page.name, part)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does: a warning is an error, a page in no list is one too."""
    pytest.importorskip("sphinx", reason="Sphinx belongs to the docs tools")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", DOCS, folder],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def test_every_page_is_on_the_site(site: Path) -> None:
    for page in DOCS.rglob("*.md"):
        assert (site / page.relative_to(DOCS)).with_suffix(".html").is_file()


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    """No fonts, scripts or pictures of other hosts: who reads tells nobody but us."""
    loading = [
        (path.name, found[0])
        for path in site.rglob("*")
        if path.suffix in {".html", ".css"}
        for found in LOADED.finditer(path.read_text())
    ]
    assert loading == []


def test_the_site_has_every_public_name(site: Path) -> None:
    api = (site / "api.html").read_text()
    for name in ("Engine.promote_all", "Upload.append", "TagMoved", "Limits.blob_bytes_max"):
        assert re.search(rf'id="liftlock[\w.]*\.{re.escape(name)}"', api), name
    moved = api.partition('id="liftlock.errors.TagMoved"')[2].partition("</dd>")[0]
    facts = re.sub("<[^>]*>", "", moved.partition("Facts:")[2])
    assert facts.split() == ["tag,", "expected,", "found."]
