# Scoring: the extractor, the reference and the five scores by the ADM definitions.


score_needs = plan.needs("score")
# Code that numbers depend on: a change of it scores again.
score_source = plan.source(
    "metrics", "encoders/image_text.py", "encoders/text.py", "encoders/global_features.py", "data/scenes.py"
)


rule make_reference:
    """Statistics and images of a split, in the layout of ADM's reference batches, under its resize or pytorch-fid's."""
    input:
        index="results/shared/{dataset}/index.json",
        extractor=plan.fetched("extractor"),
    output:
        reference="results/shared/{dataset}/reference/{extractor}/{split,train|val}_{images}{resize,(_pytorch)?}.npz",
    log:
        "results/shared/{dataset}/logs/make_reference/{extractor}/{split}_{images}{resize}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/make_reference/{extractor}/{split}_{images}{resize}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: score_needs.threads
    resources:
        gpu=score_needs.gpu,
        mem_mb=score_needs.mem_mb,
        runtime=score_needs.runtime,
    params:
        extractor=plan.model("extractor"),
        held=plan.held("extractor"),
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
        reference=plan.reference_input,
        extractor=plan.fetched("extractor"),
    output:
        features="results/shared/{dataset}/reference/{extractor}/{reference}.features.npz",
    log:
        "results/shared/{dataset}/logs/reference_features/{extractor}/{reference}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/reference_features/{extractor}/{reference}.tsv"
    priority: 100
    conda:
        "../envs/stages.yaml"
    threads: score_needs.threads
    resources:
        gpu=score_needs.gpu,
        mem_mb=score_needs.mem_mb,
        runtime=score_needs.runtime,
    params:
        reference=plan.reference_of,
        extractor=plan.model("extractor"),
        held=plan.held_for_scores,
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
        reference=plan.reference_input,
        features=plan.reference_features_of,
        pytorch_reference=plan.pytorch_reference_of,
        judges=plan.judges_of,
        extractor=plan.fetched("extractor"),
    output:
        score="results/{preset}/scores/{run}/{milestone}/{sampler}/n{paper_count}.json",
    log:
        "results/{preset}/logs/score/{run}/{milestone}/{sampler}/n{paper_count}.log",
    benchmark:
        "results/{preset}/benchmarks/score/{run}/{milestone}/{sampler}/n{paper_count}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: score_needs.threads
    resources:
        gpu=score_needs.gpu,
        mem_mb=score_needs.mem_mb,
        runtime=score_needs.runtime,
    params:
        reference=plan.reference_of,
        extractor=plan.model("extractor"),
        held=plan.held_for_scores,
        options=plan.score_options,
        source=score_source,
    message:
        "score {wildcards.run} at {wildcards.milestone} by {wildcards.sampler}"
    shell:
        "sra score {input.samples} --reference {params.reference:q} --reference-features {input.features} "
        "--extractor {params.extractor:q} {params.held:q} {params.options:q} --output {output.score} > {log} 2>&1"
