"""A whole study through Snakemake, on digits in seconds."""

import pytest
from toy_study import write_toy_study

CONFIG = ["--config", "preset=toy"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, new_checkout):
    checkout = new_checkout(tmp_path_factory.mktemp("study") / "checkout")
    checkout.show_only()
    write_toy_study(checkout.folder)
    checkout.edit(
        "workflow/rules/study.smk",
        "sra measure-steps {input.configs} {params.options:q} --threads {params.threads} --output {output.steps} 2> {log}",
        "echo '{{}}' > {output.steps} 2> {log}",
    )
    done = checkout.snakemake("study_toy", "--show-failed-logs", *CONFIG)
    assert done.returncode == 0, done.stdout[-6000:]
    return checkout


def test_x(finished):
    print((finished.folder / "results/toy/studies/toy.json").read_text()[:3000])
    print((finished.folder / "results/toy/studies/toy/choices.json").read_text())
