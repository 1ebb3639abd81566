# What training costs: a few steps of a run, timed with the machine to themselves.


measure_needs = plan.needs("measure")


rule measure_cost:
    """Seconds a step, peak memory and parameters of one run. It asks for every core, since a job beside it would change what it measures."""
    input:
        unpack(plan.targets_of),
        unpack(plan.captions_of),
        config="results/{preset}/runs/{run}/config.json",
        latents=plan.latents_of,
    output:
        cost="results/{preset}/costs/{run}.json",
    log:
        "results/{preset}/logs/measure/{run}.log",
    benchmark:
        "results/{preset}/benchmarks/measure/{run}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: measure_needs.threads
    resources:
        gpu=measure_needs.gpu,
        mem_mb=measure_needs.mem_mb,
        runtime=measure_needs.runtime,
        nodes=plan.user.nodes,
    params:
        options=plan.training_options,
        threads=plan.threads_of_training,
    message:
        "measure a training step of {wildcards.run}"
    shell:
        "sra measure {input.config} --latents {input.latents} {params.options:q} --threads {params.threads} --output {output.cost} 2> {log}"
