# Scoring: the extractor, the reference and the five scores by the ADM definitions.

from sra.plan import assets, needs, score
from sra.plan.sources import source_hash

# Code that numbers depend on: a change of it scores again.
score_source = source_hash(
    "metrics", "encoders/image_text.py", "encoders/text.py", "encoders/global_features.py", "data/scenes.py"
)


rule make_reference:
    """Statistics and images of a split, in the layout of ADM's reference batches, under its resize or pytorch-fid's."""
    input:
        index="results/shared/{dataset}/index.json",
        extractor=ask(assets.inputs, kind="extractor"),
    output:
        reference="results/shared/{dataset}/reference/{extractor}/{split,train|val}_{images}{resize,(_pytorch)?}.npz",
    log:
        "results/shared/{dataset}/logs/make_reference/{extractor}/{split}_{images}{resize}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/make_reference/{extractor}/{split}_{images}{resize}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="score")
    resources:
        gpu=ask(needs.gpu, stage="score"),
        mem_mb=ask(needs.mem_mb, stage="score"),
        runtime=ask(needs.runtime, stage="score"),
    params:
        extractor=ask(assets.source, kind="extractor"),
        held=ask(assets.check_options, kind="extractor"),
        resize=lambda wildcards: "pytorch" if wildcards.resize else "tensorflow",
        source=score_source,
    message:
        "make the reference statistics of {wildcards.dataset}"
    shell:
        "sra make-reference --index {input.index} --split {wildcards.split} --extractor {params.extractor:q} {params.held:q} "
        "--images {wildcards.images} --resize {params.resize} --workers {threads} --output {output.reference} 2> {log}"


rule reference_features:
    """Features of the reference's images, which every score of the data set compares with. Early, so that a file not fetched costs no work."""
    input:
        reference=ask(score.reference_input),
        extractor=ask(assets.inputs, kind="extractor"),
    output:
        features="results/shared/{dataset}/reference/{extractor}/{reference}.features.npz",
    log:
        "results/shared/{dataset}/logs/reference_features/{extractor}/{reference}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/reference_features/{extractor}/{reference}.tsv"
    priority: 100
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="score")
    resources:
        gpu=ask(needs.gpu, stage="score"),
        mem_mb=ask(needs.mem_mb, stage="score"),
        runtime=ask(needs.runtime, stage="score"),
    params:
        reference=ask(score.reference),
        extractor=ask(assets.source, kind="extractor"),
        held=ask(score.check_options),
        source=score_source,
    message:
        "compute the features of the reference images of {wildcards.dataset}"
    shell:
        "sra reference-features --reference {params.reference:q} --extractor {params.extractor:q} {params.held:q} "
        "--output {output.features} 2> {log}"


rule score_samples:
    """FID, sFID, inception score, precision and recall of one sample set: one JSON with everything the numbers depend on."""
    input:
        samples="results/{preset}/samples/{run}/{milestone}/{sampler}/n{paper_count}/samples.npz",
        reference=ask(score.reference_input),
        features=ask(score.reference_features),
        pytorch_reference=ask(score.pytorch_reference),
        second=ask(score.second_inputs),
        judges=ask(score.judges),
        extractor=ask(assets.inputs, kind="extractor"),
    output:
        score="results/{preset}/scores/{run}/{milestone}/{sampler}/n{paper_count}.json",
    log:
        "results/{preset}/logs/score/{run}/{milestone}/{sampler}/n{paper_count}.log",
    benchmark:
        "results/{preset}/benchmarks/score/{run}/{milestone}/{sampler}/n{paper_count}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="score")
    resources:
        gpu=ask(needs.gpu, stage="score"),
        mem_mb=ask(needs.mem_mb, stage="score"),
        runtime=ask(needs.runtime, stage="score"),
    params:
        reference=ask(score.reference),
        extractor=ask(assets.source, kind="extractor"),
        held=ask(score.check_options),
        options=ask(score.options),
        source=score_source,
    message:
        "score {wildcards.run} at {wildcards.milestone} by {wildcards.sampler}"
    shell:
        "sra score {input.samples} --reference {params.reference:q} --reference-features {input.features} "
        "--extractor {params.extractor:q} {params.held:q} {params.options:q} --output {output.score} > {log} 2>&1"
