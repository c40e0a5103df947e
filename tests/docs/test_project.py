# SPDX-License-Identifier: Apache-2.0
"""The project agrees with itself: addresses, links, hooks, workflows, locks, licences."""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import noxfile
from opentelemetry.instrumentation.genai.mistralai import __version__
from tools import licences
from tools.release import contents, installing, tree
from tools.release.running import ReleaseError, said

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = Path(sys.executable).parent
# Python 3.10 has no tomllib; there, pytest brings the package that became it.
TOML: Final[Any] = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
PROJECT: Final[dict[str, Any]] = TOML.loads((ROOT / "pyproject.toml").read_text())
MAKEFILE: Final = (ROOT / "Makefile").read_text()
WORKFLOWS: Final = sorted((ROOT / ".github/workflows").glob("*.yml"))
PYTHONS: Final = installing.PYTHONS
NO_SECTION: Final = "CHANGELOG.md has no section of 1.0 with its date"
NAME: Final = "opentelemetry-instrumentation-genai-mistralai"


def tracked(*patterns: str) -> list[Path]:
    """The files of the repository; those that are new and not ignored, too."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    return [path for line in done.stdout.splitlines() if (path := ROOT / line).is_file()]


def targets() -> set[str]:
    """The targets of the Makefile that do something."""
    return set(re.findall(r"^([a-z-]+):(?! ;)", MAKEFILE, re.MULTILINE))


# Addresses and links


def test_the_address_of_the_repository_is_one_and_in_one_file() -> None:
    urls: dict[str, str] = PROJECT["project"]["urls"]
    home = urls["Homepage"]
    assert re.fullmatch(rf"https://github\.com/[\w-]+/{NAME}", home)
    assert [url for url in urls.values() if not url.startswith(home)] == []
    substitutions = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    assert f"{home}/raw/" in substitutions["substitutions"][0]["replacement"]
    anywhere = [
        (str(path.relative_to(ROOT)), found)
        for path in tracked()
        if path.suffix not in {".png", ".jpg"}
        for found in re.findall(rf"github\.com/([\w-]+)/{NAME}", path.read_text())
    ]
    owner = home.split("/")[3]
    assert set(anywhere) == {("pyproject.toml", owner)}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[a](docs/b.md)", "[a]({}/blob/v1/docs/b.md)"),
        ("[a](./docs/b.md#c-d)", "[a]({}/blob/v1/docs/b.md#c-d)"),
        ("[a](examples/deploy/)", "[a]({}/blob/v1/examples/deploy/)"),
        ("![a](docs/pictures/b.png)", "![a]({}/raw/v1/docs/pictures/b.png)"),
        ('<img src="docs/b.png" alt="c">', '<img src="{}/raw/v1/docs/b.png" alt="c">'),
        ('<source srcset="docs/b.svg">', '<source srcset="{}/raw/v1/docs/b.svg">'),
        ('<a href="docs/b.md">', '<a href="{}/blob/v1/docs/b.md">'),
        ("[a](#b), [c](https://example.com/d.md)", "[a](#b), [c](https://example.com/d.md)"),
        ("[a](b.md), [c](LICENSE)", "[a]({0}/blob/v1/b.md), [c]({0}/raw/v1/LICENSE)"),
        ("handlers[key](event)", "handlers[key](event)"),
    ],
)
def test_links_are_absolute_on_the_package_index(text: str, shown: str) -> None:
    hook = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    for each in hook["substitutions"]:
        replacement = each["replacement"].replace("$HFPR_VERSION", "1")
        text = re.sub(each["pattern"], replacement, text)
    assert text == shown.format(PROJECT["project"]["urls"]["Homepage"])


def links(page: Path) -> Iterator[tuple[str, str]]:
    """The relative links of a page, outside of code: path and fragment."""
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "``", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r'(?:\]\(|(?:src|srcset|href)=")([^)"\s]+)', text):
        if not re.match(r"[a-z]+:", target):
            path, _, fragment = target.partition("#")
            yield path, fragment


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    texts = [re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


@pytest.mark.parametrize("page", tracked("*.md"), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_relative_link_is_dead(page: Path) -> None:
    dead = [
        f"{path}#{fragment}"
        for path, fragment in links(page)
        for there in [(page.parent / path) if path else page]
        if not there.exists()
        or (fragment and there.suffix == ".md" and fragment not in anchors(there))
    ]
    assert dead == []


def test_each_place_of_the_security_checklist_is_there() -> None:
    page = (ROOT / "SECURITY.md").read_text()
    rows = re.findall(r"^\|.*\|.*\| (.*) \|$", page.partition("## Checklist")[2], re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert len(named) > 12
    files = [name for name in named if " " not in name]
    assert [name for name in files if not (ROOT / name).exists()] == []
    made = {name.removeprefix("make ") for name in named if name.startswith("make ")}
    assert made <= targets()


# The version, the changelog


def test_the_version_stands_in_one_file() -> None:
    assert tree.version() == __version__
    assert "version" in PROJECT["project"]["dynamic"]
    assert "version" not in PROJECT["project"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == tree.VERSION_FILE
    assert f"## [{__version__}] - " in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize(
    ("changelog", "project", "fragments", "left"),
    [
        ("## [1.0] - 2026-01-02", "acme", ["README.md", "template.md.j2"], []),
        ("## [1.0] - unreleased", "acme", [], ["CHANGELOG.md has no section of 1.0 with its date"]),
        (
            "## [1.00] - 2026-01-02",
            "acme",
            [],
            ["CHANGELOG.md has no section of 1.0 with its date"],
        ),
        (
            "## [1.0] - 2026-01-02",
            "https://github.com/your_organisation/",
            ["2.fixed", "+a.added"],
            [
                "fragments that are not in CHANGELOG.md: +a.added, 2.fixed",
                "pyproject.toml has your_organisation where the repository's owner goes",
            ],
        ),
    ],
)
def test_what_is_left_to_do_before_a_tag_is_told(
    changelog: str, project: str, fragments: list[str], left: list[str]
) -> None:
    found = tree.left_to_do("1.0", changelog=changelog, project=project, fragments=fragments)
    assert found == left


def test_fragments_become_a_section_of_the_changelog(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / ".changelog", tmp_path / ".changelog")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n<!-- changelog start -->\n\n## [8]\n")
    (tmp_path / ".changelog/12.fixed").write_text("What was\nwrong.\n")
    (tmp_path / ".changelog/+short.added").write_text("`one`.\n")
    (tmp_path / ".changelog/13.added").write_text("Two.\n")
    command = [str(TOOLS / "towncrier"), "build", "--yes", "--version=9", "--date=2026-01-02"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)  # noqa: S603
    assert (tmp_path / "CHANGELOG.md").read_text() == (
        "# Changelog\n\n<!-- changelog start -->\n\n## [9] - 2026-01-02\n\n"
        "### Added\n\n- Two. (#13)\n- `one`.\n\n"
        "### Fixed\n\n- What was\n  wrong. (#12)\n\n"
        "## [8]\n"
    )


def test_each_fragment_is_of_a_kind_that_is_put_in() -> None:
    kinds = {kind["directory"] for kind in PROJECT["tool"]["towncrier"]["type"]}
    ignored = set(PROJECT["tool"]["towncrier"]["ignore"])
    names = {path.name for path in (ROOT / ".changelog").iterdir()} - ignored
    assert {name for name in names if name.split(".")[1] not in kinds} == set()


# Hooks, workflows, make


def test_the_hooks_before_a_commit_are_those_of_make_lint() -> None:
    recipe = MAKEFILE.partition("\nlint:")[2].partition("\n\n")[0]
    lint = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()[1:]]
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (repository,) = config["repos"]
    assert [hook["entry"] for hook in repository["hooks"]] == lint
    # Hooks of other repositories would bring versions that no lock knows.
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}


def test_the_hooks_are_what_pre_commit_understands() -> None:
    command = [str(TOOLS / "pre-commit"), "validate-config", ".pre-commit-config.yaml"]
    subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603


def steps(workflow: Path) -> list[dict[str, Any]]:
    """The steps of all jobs of a workflow."""
    jobs: dict[str, Any] = yaml.safe_load(workflow.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_names_targets_and_files_that_exist(workflow: Path) -> None:
    runs = [step["run"] for step in steps(workflow) if "run" in step]
    assert runs
    words = [line.split() for run in runs for line in run.splitlines() if line]
    made = {word for line in words if line[0] == "make" for word in line[1:] if "=" not in word}
    assert {name for name in made if name not in targets() and f"{name}:" not in virtual()} == set()
    tests = {word for line in words for word in line if word.startswith("tests/")}
    assert {name for name in tests if not (ROOT / name).exists()} == set()


def virtual() -> str:
    """The Makefile with the name of the environment in the place of its variable."""
    return MAKEFILE.replace("$(UV)", ".venv/bin/uv").replace("$(VENV)", ".venv")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_pins_actions_and_gives_no_rights_by_default(workflow: Path) -> None:
    used = re.findall(r"uses: (.+)", workflow.read_text())
    assert used
    pinned = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [action for action in used if not pinned.fullmatch(action)] == []
    text: dict[Any, Any] = yaml.safe_load(workflow.read_text())
    assert text["permissions"] in ({}, {"contents": "read"})
    # YAML 1.1 reads the key `on` as true.
    assert "pull_request_target" not in text[True]


def test_one_action_has_one_version_in_all_workflows() -> None:
    used = {use for path in WORKFLOWS for use in re.findall(r"uses: (.+)", path.read_text())}
    assert len(used) == len({use.partition("@")[0] for use in used})


def test_only_a_tag_is_uploaded_and_only_by_the_job_that_may() -> None:
    release = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
    jobs: dict[str, Any] = release["jobs"]
    may = {name: job["permissions"] for name, job in jobs.items()}
    assert may == {
        "check": {"contents": "read"},
        "attest": {"attestations": "write", "contents": "read", "id-token": "write"},
        "publish": {"id-token": "write"},
    }
    assert {jobs[name]["if"] for name in ("attest", "publish")} == {"github.ref_type == 'tag'"}
    assert (jobs["publish"]["needs"], jobs["publish"]["environment"]) == ("attest", "release")


def test_ci_runs_targets_that_exist() -> None:
    named = re.findall(
        r"^(?:limit=\S+ )?step ([a-z-]+)", (ROOT / ".ci/run").read_text(), re.MULTILINE
    )
    assert len(named) > 8
    assert set(named) <= targets()


def test_each_line_of_the_sdk_that_ci_leaves_out_is_run_weekly() -> None:
    (given,) = re.findall(r'^step test-matrix SDKS="(.+)"$', (ROOT / ".ci/run").read_text(), re.M)
    every, some = list(noxfile.MATRIX), given.split()
    assert set(some) < set(every)
    # The ends of each major line, the oldest OpenTelemetry, and the line that has the long tests.
    majors = [[sdk for sdk in every if sdk.startswith(f"{major}.")] for major in (1, 2, 3)]
    ends = {end for line in majors for end in (line[0], line[-1])}
    assert {*ends, "1.12.1", noxfile.ONE_MORE} <= set(some)
    pythons = {noxfile.MATRIX[sdk][0] for sdk in some}
    assert pythons | {"3.11"} == {python for python, _ in noxfile.MATRIX.values()}
    weekly = yaml.safe_load((ROOT / ".github/workflows/newest-sdk.yml").read_text())
    steps = [step for job in weekly["jobs"].values() for step in job["steps"]]
    assert "make test-matrix" in [step.get("run") for step in steps]


def test_help_tells_every_target_under_those_whom_it_is_for() -> None:
    command = ["make", "--no-print-directory", "help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603
    listed = set(re.findall(r"^  ([a-z-]+) +\S", told, re.MULTILINE))
    assert listed == targets()
    assert re.findall(r"^(\S.*)$", told, re.MULTILINE) == [
        "For those who use it",
        "For those who change it",
        "For those who release it",
    ]
    phony = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert {name for line in phony for name in line.split()} >= targets()


@pytest.mark.parametrize("form", ["bug.yml", "idea.yml"])
def test_a_form_for_issues_has_what_github_asks_of_it(form: str) -> None:
    text = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE" / form).read_text())
    assert {"name", "description", "body"} <= set(text)
    for field in text["body"]:
        assert field["type"] in {"markdown", "dropdown", "textarea", "input", "checkboxes"}
        assert "value" in field["attributes"] if field["type"] == "markdown" else "id" in field
    ids = [field["id"] for field in text["body"] if "id" in field]
    assert len(ids) == len(set(ids))


# Examples that pages tell people to copy


@pytest.mark.parametrize("name", ["aws_lambda.py", "viewers/recipes.py", "zero_code/ask.py"])
def test_an_example_that_is_copied_imports_nothing_of_the_repository(name: str) -> None:
    tree = ast.parse((ROOT / "examples" / name).read_text())
    imported = {
        found.partition(".")[0]
        for node in tree.body
        for found in (
            [node.module or ""] if isinstance(node, ast.ImportFrom)
            else [each.name for each in node.names] if isinstance(node, ast.Import) else []
        )
    }  # fmt: skip
    assert imported & {"emulator", "examples", "tests", "benchmarks", "tools"} == set()
    assert "mistralai" in imported or "opentelemetry" in imported


# The lock, licences


def pins(python: str) -> dict[str, str]:
    """The version of each package that is locked for a Python."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    environment = {"python_version": python, "python_full_version": f"{python}.9"}
    here = [each for each in requirements if not each.marker or each.marker.evaluate(environment)]
    found = {
        str(canonicalize_name(each.name)): str(each.specifier).removeprefix("==") for each in here
    }
    assert len(found) == len(here)
    return found


def wanted() -> Iterator[Requirement]:
    """Everything that the project and the dependency groups that `make` installs name."""
    locked = re.search(r"^LOCKED := (.+)$", MAKEFILE, re.MULTILINE)
    assert locked is not None
    yield from map(Requirement, PROJECT["project"]["dependencies"])
    for extra in PROJECT["project"]["optional-dependencies"].values():
        yield from map(Requirement, extra)
    installed = re.findall(r"--group (\w+)$", MAKEFILE, re.MULTILINE)
    for group in {*locked[1].split(), *installed}:
        yield from in_group(group)


def in_group(group: str) -> Iterator[Requirement]:
    """What a dependency group names, and those that it includes."""
    for each in PROJECT["dependency-groups"][group]:
        if isinstance(each, str):
            yield Requirement(each)
        else:
            yield from in_group(each["include-group"])


@pytest.mark.parametrize("python", PYTHONS)
def test_all_that_is_wanted_is_locked_for_each_python(python: str) -> None:
    locked = pins(python)
    environment = {"python_version": python, "python_full_version": f"{python}.9"}
    here = [each for each in wanted() if not each.marker or each.marker.evaluate(environment)]
    unlocked = [
        str(each)
        for each in here
        if (version := locked.get(canonicalize_name(each.name))) is None
        or not each.specifier.contains(version, prereleases=True)
    ]
    assert unlocked == [], "run make lock"


def test_each_environment_of_make_is_locked_and_none_of_nox() -> None:
    installs = [line for line in MAKEFILE.splitlines() if "pip install" in line]
    assert len(installs) >= 6
    assert [line for line in installs if "$(LOCK)" not in line] == []
    # The matrix is about other versions than the newest.
    assert "constraints.txt" not in (ROOT / "noxfile.py").read_text()


def test_what_comes_with_it_is_listed_and_permissive() -> None:
    page = licences.PAGE.read_text()
    assert licences.with_table(page) == page, "run python -m tools.licences"
    found = licences.runtime()
    assert licences.listed(page) == set(found)
    assert "wrapt" in found
    assert {name: each for name, each in found.items() if not licences.is_permissive(each)} == {}


@pytest.mark.parametrize(
    ("expression", "permissive"),
    [
        ("MIT", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("MIT AND (BSD-3-Clause)", True),
        ("MIT AND GPL-3.0-only", False),
        ("LGPL-2.1", False),
        ("unknown", False),
    ],
)
def test_a_licence_with_conditions_is_seen(expression: str, permissive: bool) -> None:
    assert licences.is_permissive(expression) is permissive


def test_metadata_that_is_wrong_is_told() -> None:
    metadata = Message()
    for key, value in {
        "Name": NAME,
        "Version": "0",
        "License-Expression": "Apache-2.0",
        "License-File": "LICENSE",
        "Requires-Python": ">=3.10",
        "Description-Content-Type": "text/markdown",
    }.items():
        metadata[key] = value
    for label in ("Homepage", "Source", "Changelog", "Issues"):
        metadata["Project-URL"] = f"{label}, https://example.com"
    metadata.set_payload("[a](#b) [c](docs/d.md) `e[f](g)`\n```\nh[i](j)\n```\n")
    assert contents.wrong_in(metadata) == [
        "Version is 0",
        "no URL Security",
        "dead link ](docs/d.md",
    ]


def test_a_file_too_many_or_too_few_is_told() -> None:
    contents.same("the wheel", {"a"}, {"a"})
    with pytest.raises(
        ReleaseError, match=r"the wheel has \['tests/b.py'\] .* lacks \['LICENSE'\]"
    ):
        contents.same("the wheel", {"a", "tests/b.py"}, {"a", "LICENSE"})


def test_what_a_command_says_is_why_a_release_is_refused(tmp_path: Path) -> None:
    assert said(sys.executable, "-c", "print(1)", at=tmp_path) == "1\n"
    with pytest.raises(ReleaseError, match="no such thing"):
        said(sys.executable, "-c", "raise SystemExit('no such thing')", at=tmp_path)
