"""Which version of a folder is at work, and of which day files are."""

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

import sra
from sra.core.files import sha256_of_file
from sra.core.origin import commit_of, day_of, is_changed, version_label

ROOT = Path(__file__).parents[3]
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


def test_results_are_no_change_of_the_code(repository, tmp_path):
    for name in ("README.md", "reference/score.json"):
        (repository / "results" / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / "results" / name).write_text("as committed")
    git(repository, "add", "results")
    git(repository, "commit", "--quiet", "-m", "results")
    shutil.rmtree(repository / "results" / "reference")
    assert not is_changed(repository)
    shutil.move(repository / "results", tmp_path / "large_disk")
    (repository / "results").symlink_to(tmp_path / "large_disk")
    assert not is_changed(repository)
    (repository / "file").unlink()
    assert is_changed(repository)


def test_a_checkout_of_another_user_is_named_too(repository, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(subprocess.CalledProcessError):
        git(repository, "status")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    assert version_label(repository) == git(repository, "-c", f"safe.directory={repository}", "rev-parse", "HEAD")[:10]


def test_a_zip_of_a_forge_is_named_by_its_commit(repository, tmp_path):
    (repository / "workflow").mkdir()
    for name in (".gitattributes", "workflow/commit.txt"):
        shutil.copy(ROOT / name, repository / name)
    assert (ROOT / "workflow/commit.txt").read_text() == "$Format:%H$\n"
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "second")
    git(repository, "archive", "--output", str(tmp_path / "forge.zip"), "HEAD")
    zipfile.ZipFile(tmp_path / "forge.zip").extractall(tmp_path / "unpacked")
    assert version_label(tmp_path / "unpacked") == git(repository, "rev-parse", "HEAD")[:10]


@pytest.mark.parametrize("label", ["3f2a91c07b", "3f2a91c07b-changed"])
def test_an_archive_is_named_by_its_metadata_while_it_is_what_was_packed(tmp_path, label):
    for name in ("sra/a file.py", "results/score.json"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("as packed")
    files = {"sra/a%20file.py": "sra/a file.py", "results/score.json": "results/score.json"}
    graph = [{"@id": name, "sha256": sha256_of_file(tmp_path / path)} for name, path in files.items()]
    (tmp_path / "ro-crate-metadata.json").write_text(json.dumps({"@graph": [{"@id": "./", "version": label}, *graph]}))
    assert version_label(tmp_path) == label
    (tmp_path / "results/score.json").write_text("scored again")
    assert version_label(tmp_path) == label
    (tmp_path / "sra/a file.py").write_text("edited")
    assert version_label(tmp_path) == "3f2a91c07b-changed"


@pytest.mark.parametrize("metadata", ["", "[]", '{"@graph": 3}', json.dumps({"@graph": [{"@id": "./", "version": sra.__version__}]})])
def test_metadata_that_names_no_commit_says_nothing(tmp_path, metadata):
    (tmp_path / "ro-crate-metadata.json").write_text(metadata)
    assert (commit_of(tmp_path), is_changed(tmp_path), version_label(tmp_path)) == (None, False, sra.__version__)


def test_the_newest_file_that_exists_gives_the_day(tmp_path):
    for name, seconds in (("old", 0), ("new", 86_400 * 365)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (seconds, seconds))
    assert day_of([tmp_path / "new", tmp_path / "old", tmp_path / "gone"], tmp_path) == "1971-01-01"
    assert day_of([tmp_path / "gone"], tmp_path) is None


def test_committed_files_are_as_old_as_their_commit_and_not_as_the_clone(repository):
    (repository / "results").mkdir()
    for name in ("old", "new"):
        (repository / "results" / name).write_text("a score")
    git(repository, "add", "results")
    at = {"GIT_AUTHOR_DATE": "2020-02-01T23:30:00-0200", "GIT_COMMITTER_DATE": "2020-02-01T23:30:00-0200"}
    subprocess.run(["git", "commit", "--quiet", "-m", "results"], cwd=repository, env={**os.environ, **NOBODY, **at}, check=True)
    files = [repository / "results" / name for name in ("old", "new")]
    os.utime(files[0], (0, 0))
    assert day_of(files, repository) == "2020-02-02"

    made_here = repository / "results" / "made here"
    made_here.write_text("another")
    os.utime(made_here, (86_400 * 365, 86_400 * 365))
    assert day_of([*files, made_here], repository) == "2020-02-02"
    files[1].write_text("scored again")
    os.utime(files[1], (2_000_000_000, 2_000_000_000))
    assert day_of([*files, made_here], repository) == "2033-05-18"
    assert day_of([made_here], repository) == "1971-01-01"
