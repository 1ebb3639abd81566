# What training costs: a few steps of a run, timed with the machine to themselves.

from sra.plan import needs, train


rule measure_cost:
    """Seconds a step, peak memory and parameters of one run. It asks for every core, since a job beside it would change what it measures."""
    input:
        unpack(ask(train.targets)),
        unpack(ask(train.captions)),
        config="results/{preset}/runs/{run}/config.json",
        latents=ask(train.latents),
    output:
        cost="results/{preset}/costs/{run}.json",
    log:
        "results/{preset}/logs/measure/{run}.log",
    benchmark:
        "results/{preset}/benchmarks/measure/{run}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="measure")
    resources:
        gpu=ask(needs.gpu, stage="measure"),
        mem_mb=ask(needs.mem_mb, stage="measure"),
        runtime=ask(needs.runtime, stage="measure"),
        nodes=plan.user.nodes,
    params:
        options=ask(train.options),
        threads=ask(needs.threads, stage="train"),
    message:
        "measure a training step of {wildcards.run}"
    shell:
        "sra measure {input.config} --latents {input.latents} {params.options:q} --threads {params.threads} --output {output.cost} 2> {log}"
