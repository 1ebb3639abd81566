"""Which version of a folder is at work, and of which day files are."""

import os
import subprocess

import pytest

import sra
from sra.core.origin import commit_of, day_of, is_changed, version_label

NOBODY = {"GIT_AUTHOR_NAME": "nobody", "GIT_AUTHOR_EMAIL": "n@example.org", "GIT_COMMITTER_NAME": "nobody", "GIT_COMMITTER_EMAIL": "n@example.org"}


def git(folder, *arguments):
    environment = {**os.environ, **NOBODY}
    return subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """One commit of one file."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "file").write_text("first")
    git(folder, "add", "file")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


def test_a_checkout_is_named_by_its_commit(repository):
    commit = git(repository, "rev-parse", "HEAD")
    assert commit_of(repository) == commit[:10]
    assert version_label(repository) == commit[:10]
    (repository / "untracked").write_text("a result")
    assert not is_changed(repository)
    (repository / "file").write_text("second")
    assert is_changed(repository)
    assert version_label(repository) == f"{commit[:10]}-changed"


def test_a_folder_of_another_repository_is_not_named_by_that(repository):
    unpacked = repository / "unpacked"
    unpacked.mkdir()
    assert commit_of(unpacked) is None
    assert version_label(unpacked) == sra.__version__


def test_outside_git_the_version_names_it(tmp_path):
    assert (commit_of(tmp_path), is_changed(tmp_path), version_label(tmp_path)) == (None, False, sra.__version__)


def test_the_newest_file_that_exists_gives_the_day(tmp_path):
    for name, seconds in (("old", 0), ("new", 86_400 * 365)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (seconds, seconds))
    assert day_of([tmp_path / "new", tmp_path / "old", tmp_path / "gone"]) == "1971-01-01"
    assert day_of([tmp_path / "gone"]) is None
