# Scoring: the extractor, the reference and the five scores by the ADM definitions.


score_needs = plan.needs("score")


rule make_reference:
    """Statistics and images of the training set, in the layout of ADM's reference batches."""
    input:
        index="results/shared/{dataset}/index.json",
        extractor=lambda wildcards: plan.model_weights(wildcards.extractor, "extractor", wildcards.dataset),
    output:
        reference="results/shared/{dataset}/reference/{extractor}_{images}.npz",
    log:
        "results/shared/{dataset}/logs/make_reference/{extractor}_{images}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/make_reference/{extractor}_{images}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: score_needs.threads
    resources:
        gpu=score_needs.gpu,
        mem_mb=score_needs.mem_mb,
        runtime=score_needs.runtime,
    params:
        extractor=lambda wildcards: plan.model_source(wildcards.extractor, "extractor", wildcards.dataset),
        source=plan.source("metrics"),
    message:
        "make the reference statistics of {wildcards.dataset}"
    shell:
        "sra make-reference --index {input.index} --extractor {params.extractor:q} "
        "--images {wildcards.images} --output {output.reference} 2> {log}"


rule score_samples:
    """FID, sFID, inception score, precision and recall of one sample set: one JSON with everything the numbers depend on."""
    input:
        samples="results/{preset}/samples/{run}/{milestone}/{sampler}/n{paper_count}/samples.npz",
        reference=plan.reference_of,
        extractor=plan.extractor_weights,
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
        extractor=plan.extractor_source,
        source=plan.source("metrics"),
    message:
        "score {wildcards.run} at {wildcards.milestone} by {wildcards.sampler}"
    shell:
        "sra score {input.samples} --reference {input.reference} --extractor {params.extractor:q} "
        "--output {output.score} 2> {log}"
