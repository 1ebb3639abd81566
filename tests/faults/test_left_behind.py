"""What a killed process leaves beside its output goes with the next that makes it, and only then."""

import signal

import pytest

from sra.core.files import folder_beside
from sra.encoders.folders import saved_whole


@pytest.mark.fault("killed while it wrote, beside its output")
def test_the_next_writer_begins_with_nothing(tmp_path):
    left = tmp_path / ".pack.npz.partial"
    (left / "more").mkdir(parents=True)
    (left / "features.npy").write_bytes(b"gigabytes of a killed process")
    other = tmp_path / ".other.npz.partial"
    other.mkdir()
    with folder_beside(tmp_path / "pack.npz") as folder:
        assert folder == left
        assert [path.name for path in folder.iterdir()] == [".lock"]
        (folder / "features.npy").write_bytes(b"new")
    assert set(tmp_path.iterdir()) == {other}


@pytest.mark.fault("killed while it wrote, beside its output")
def test_a_failure_takes_its_files_with_it(tmp_path):
    with pytest.raises(ZeroDivisionError), folder_beside(tmp_path / "pack.npz") as folder:
        (folder / "features.npy").write_bytes(b"new")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault("killed while it wrote, beside its output")
def test_a_saved_model_leaves_nothing_beside_its_folder(tmp_path):
    left = tmp_path / ".vae.partial" / "vae"
    left.mkdir(parents=True)
    (left / "weights").write_text("half")
    with saved_whole(tmp_path / "vae", "weights") as temporary:
        assert list(temporary.iterdir()) == []
        (temporary / "weights").write_text("whole")
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["vae", "vae/weights"]
    assert (tmp_path / "vae" / "weights").read_text() == "whole"


@pytest.mark.fault("killed while it wrote, beside its output")
def test_a_killed_probe_leaves_nothing_after_the_next(new_run, launcher):
    """Of ImageNet its features take gigabytes."""
    run = new_run()
    assert run.train(10).code == 0
    run.result()
    output = run.folder / "probe.json"
    command = [
        "probe",
        str(run.config),
        "--weights",
        str(run.folder / "weights/end.safetensors"),
        "--latents",
        str(run.stores / "latents/store.json"),
    ]
    command += ["--milestone", "m400k", "--time", "0.5", "--block", "3", "--training", '{"held_out": 8}', "--output", str(output), "--device", "cpu"]
    probe = launcher.start(command)
    probe.wait_for_moment(lambda: list(run.folder.glob(".*/features.npy")))
    assert probe.send(signal.SIGKILL).code == -signal.SIGKILL
    assert run.left_half_written()
    done = launcher.start(command).finish()
    assert done.code == 0, done.text
    assert not run.left_half_written()
