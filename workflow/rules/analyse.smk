# Inside trained models: linear probes on blocks, and principal components of their features. No run is trained for them alone.


analyse_needs = plan.needs("sample")


rule probe:
    """Accuracy of a linear classifier on each block's features at one time, for every figure that asks."""
    input:
        config="results/{preset}/runs/{run}/config.json",
        weights="results/{preset}/runs/{run}/weights/{milestone}.safetensors",
        latents=plan.latents_of,
    output:
        record="results/{preset}/probes/{run}/{milestone}/t{time}.json",
    log:
        "results/{preset}/logs/probe/{run}/{milestone}/t{time}.log",
    benchmark:
        "results/{preset}/benchmarks/probe/{run}/{milestone}/t{time}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: analyse_needs.threads
    resources:
        gpu=analyse_needs.gpu,
        mem_mb=analyse_needs.mem_mb,
        runtime=analyse_needs.runtime,
    params:
        time=plan.probe_time,
        blocks=plan.probe_blocks,
        training=plan.probe_training,
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
        latents=plan.latents_of,
        index=plan.index_of,
    output:
        components="results/{preset}/pca/{run}/{milestone}.npz",
    log:
        "results/{preset}/logs/pca/{run}/{milestone}.log",
    benchmark:
        "results/{preset}/benchmarks/pca/{run}/{milestone}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: analyse_needs.threads
    resources:
        gpu=analyse_needs.gpu,
        mem_mb=analyse_needs.mem_mb,
        runtime=analyse_needs.runtime,
    params:
        options=plan.component_options,
    message:
        "principal components of {wildcards.run} at {wildcards.milestone}"
    shell:
        "sra pca {input.config} --weights {input.weights} --latents {input.latents} --index {input.index} "
        "--milestone {wildcards.milestone} {params.options:q} --output {output.components} 2> {log}"
