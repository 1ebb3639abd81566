# Sampling: shards that any number of jobs may share, packed in index order.

from sra.plan import assets, needs, sample


rule latent_mean:
    """The mean of the latents, for samplers that take the shift of contrastive flow matching out."""
    input:
        store="results/shared/{dataset}/latents/{vae}/store.json",
    output:
        mean="results/shared/{dataset}/latents/{vae}/mean.npz",
    log:
        "results/shared/{dataset}/logs/latent_mean/{vae}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/latent_mean/{vae}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    message:
        "average the latents of {wildcards.dataset}"
    shell:
        "sra latent-mean --latents {input.store} --output {output.mean} 2> {log}"


rule sample_shard:
    """Draw, decode and store one shard. Image i is a function of (seed, i), whatever the shards and batches."""
    input:
        unpack(ask(sample.prompts)),
        config="results/{preset}/runs/{run}/config.json",
        weights="results/{preset}/runs/{run}/weights/{milestone}.safetensors",
        vae=ask(assets.inputs, kind="vae"),
        latent_mean=ask(sample.latent_mean),
    output:
        shard=temp("results/{preset}/samples/{run}/{milestone}/{sampler}/n{paper_count}/shard_{shard}_of_{shards}.npz"),
    log:
        "results/{preset}/logs/sample/{run}/{milestone}/{sampler}/n{paper_count}/{shard}_of_{shards}.log",
    benchmark:
        "results/{preset}/benchmarks/sample/{run}/{milestone}/{sampler}/n{paper_count}/{shard}_of_{shards}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="sample")
    resources:
        gpu=ask(needs.gpu, stage="sample"),
        mem_mb=ask(needs.mem_mb, stage="sample"),
        runtime=ask(sample.runtime),
        disk_mb=ask(sample.disk_mb),
    params:
        sampler=ask(sample.sampler),
        images=ask(sample.count),
        options=ask(sample.options),
        vae=ask(assets.source, kind="vae"),
    message:
        "sample {wildcards.run} at {wildcards.milestone} by {wildcards.sampler}"
    shell:
        "sra sample {input.config} --weights {input.weights} --vae {params.vae:q} --sampler {params.sampler:q} "
        "--count {params.images} --shard {wildcards.shard} --shards {wildcards.shards} {params.options:q} "
        "--output {output.shard} 2> {log}"


rule pack_samples:
    """One uncompressed npz of all shards in index order, as the ADM evaluator reads it."""
    input:
        shards=ask(sample.shards),
    output:
        samples="results/{preset}/samples/{run}/{milestone}/{sampler}/n{paper_count}/samples.npz",
    log:
        "results/{preset}/logs/pack/{run}/{milestone}/{sampler}/n{paper_count}.log",
    benchmark:
        "results/{preset}/benchmarks/pack/{run}/{milestone}/{sampler}/n{paper_count}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        images=ask(sample.count),
    message:
        "pack the samples of {wildcards.run} at {wildcards.milestone} by {wildcards.sampler}"
    shell:
        "sra pack --count {params.images} --milestone {wildcards.milestone} --sampler-name {wildcards.sampler} "
        "--paper-count {wildcards.paper_count} --output {output.samples} {input.shards:q} 2> {log}"
