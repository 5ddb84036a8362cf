"""docs/decisions: every page has one form, names code that is there, and is listed in the index."""

import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "decisions"
PAGES = sorted(FOLDER.glob("[0-9]*.md"))
PARTS = ["Decision", "Why", "Options", "Consequences"]
LINK = r"\[(\d+)\]\(([\w-]+\.md)\)"
STATUS = re.compile(
    rf"(accepted|superseded by {LINK}), \d{{4}}-\d\d-\d\d(; revised \d{{4}}-\d\d-\d\d|; amended by {LINK}(, {LINK})*)*"
)


def number(page: Path) -> int:
    return int(page.name[:4])


def head(page: Path) -> tuple[str, str]:
    """Title and status of a page; its first lines are `# N. Title` and `Status: …`."""
    title, empty, status, after = page.read_text().split("\n")[:4]
    assert (empty, after) == ("", "")
    assert title.startswith(f"# {number(page)}. ")
    assert not title.endswith(".")
    assert status.startswith("Status: ")
    assert status.endswith(".")
    return title.partition(". ")[2], status.removeprefix("Status: ").removesuffix(".")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_has_title_status_and_four_parts(page: Path) -> None:
    assert STATUS.fullmatch(head(page)[1])
    assert re.findall(r"^\*\*(\w+)\.\*\*", page.read_text(), re.MULTILINE) == PARTS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_later_page_in_a_status_has_the_number_that_its_link_says(page: Path) -> None:
    for later, name in re.findall(LINK, head(page)[1]):
        assert (FOLDER / name).exists()
        assert int(later) == int(name[:4]) > number(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_options_name_the_one_taken(page: Path) -> None:
    options = page.read_text().partition("**Options.**")[2].partition("**Consequences.**")[0]
    assert re.search(r"\(taken\)|\| taken \|", options)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_paths_and_names_of_code_exist(page: Path) -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()}
    for words in re.findall(r"`([\w./-]+)`", page.read_text()):
        if "/" in words and words.partition("/")[0] in folders:
            assert (ROOT / words).exists(), words
        if words.startswith("countersign."):
            assert pkgutil.resolve_name(words), words


def test_index_lists_every_page_with_its_title_and_status() -> None:
    rows = [f"| {number(page)} | [{head(page)[0]}]({page.name}) | {head(page)[1]} |" for page in PAGES]
    assert [line for line in (FOLDER / "README.md").read_text().splitlines() if re.match(r"\| \d", line)] == rows


def test_references_to_decisions_lead_to_a_page() -> None:
    texts = [path.read_text() for path in [*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"]]
    texts += [
        path.read_text() for layer in ("api", "domain", "services", "store") for path in ROOT.glob(f"{layer}/**/*.py")
    ]
    named = {int(digits) for text in texts for digits in re.findall(r"\bADR (\d+)", text)}
    assert named <= {number(page) for page in PAGES}
