# Inside trained models: linear probes on blocks, and principal components of their features. No run is trained for them alone.

from sra.plan import analyse, needs, train


wildcard_constraints:
    time=r"\d{3}",


rule probe:
    """Accuracy of a linear classifier on each block's features at one time, for every figure that asks."""
    input:
        config="results/{preset}/runs/{run}/config.json",
        weights="results/{preset}/runs/{run}/weights/{milestone}.safetensors",
        latents=ask(train.latents),
    output:
        record="results/{preset}/probes/{run}/{milestone}/t{time}.json",
    log:
        "results/{preset}/logs/probe/{run}/{milestone}/t{time}.log",
    benchmark:
        "results/{preset}/benchmarks/probe/{run}/{milestone}/t{time}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="sample")
    resources:
        gpu=ask(needs.gpu, stage="sample"),
        mem_mb=ask(needs.mem_mb, stage="sample"),
        runtime=ask(needs.runtime, stage="sample"),
    params:
        time=ask(analyse.probe_time),
        blocks=ask(analyse.probe_blocks),
        training=ask(analyse.probe_training),
    message:
        "probe {wildcards.run} at {wildcards.milestone}, time {params.time}"
    shell:
        "sra probe {input.config} --weights {input.weights} --latents {input.latents} --milestone {wildcards.milestone} "
        "--time {params.time} {params.blocks:q} --training {params.training:q} --output {output.record} 2> {log}"


rule components:
    """Principal components of one image's tokens, for the blocks and times that figures show."""
    input:
        config="results/{preset}/runs/{run}/config.json",
        weights="results/{preset}/runs/{run}/weights/{milestone}.safetensors",
        latents=ask(train.latents),
        index=ask(analyse.index),
    output:
        components="results/{preset}/pca/{run}/{milestone}.npz",
    log:
        "results/{preset}/logs/pca/{run}/{milestone}.log",
    benchmark:
        "results/{preset}/benchmarks/pca/{run}/{milestone}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="sample")
    resources:
        gpu=ask(needs.gpu, stage="sample"),
        mem_mb=ask(needs.mem_mb, stage="sample"),
        runtime=ask(needs.runtime, stage="sample"),
    params:
        options=ask(analyse.component_options),
    message:
        "principal components of {wildcards.run} at {wildcards.milestone}"
    shell:
        "sra pca {input.config} --weights {input.weights} --latents {input.latents} --index {input.index} "
        "--milestone {wildcards.milestone} {params.options:q} --output {output.components} 2> {log}"
