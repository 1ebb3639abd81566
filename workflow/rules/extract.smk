# Latents and encoder features: the stores that training reads, in shards that jobs share.


rule extract_latents:
    """Encode one shard of the training images to posterior moments."""
    input:
        index="results/shared/{dataset}/index.json",
        vae=plan.fetched("vae"),
    output:
        shard="results/shared/{dataset}/latents/{vae}/latents_{shard}_of_{shards}.npy",
    log:
        "results/shared/{dataset}/logs/extract_latents/{vae}/{shard}_of_{shards}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/extract_latents/{vae}/{shard}_of_{shards}.tsv"
    wildcard_constraints:
        dataset=plan.extracted,
    conda:
        "../envs/stages.yaml"
    threads: data_needs.threads
    resources:
        gpu=data_needs.gpu,
        mem_mb=data_needs.mem_mb,
        runtime=data_needs.runtime,
    params:
        vae=plan.model("vae"),
        dtype=plan.dtype("latents"),
        batch=plan.encoding_batch,
    message:
        "extract latents of {wildcards.dataset}, shard {wildcards.shard} of {wildcards.shards}"
    shell:
        "sra extract-latents --index {input.index} --vae {params.vae:q} --dtype {params.dtype} --batch {params.batch} --workers {threads} "
        "--shard {wildcards.shard} --shards {wildcards.shards} --output {output.shard} 2> {log}"


rule take_latents:
    """Take over one shard of moments that REPA's or SRA's preprocessing computed, and compare some of them."""
    input:
        index="results/shared/{dataset}/index.json",
        vae=plan.fetched("vae"),
    output:
        shard="results/shared/{dataset}/latents/{vae}/latents_{shard}_of_{shards}.npy",
    log:
        "results/shared/{dataset}/logs/take_latents/{vae}/{shard}_of_{shards}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/take_latents/{vae}/{shard}_of_{shards}.tsv"
    wildcard_constraints:
        dataset=plan.preprocessed,
    conda:
        "../envs/stages.yaml"
    threads: data_needs.threads
    resources:
        mem_mb=data_needs.mem_mb,
        runtime=data_needs.runtime,
    params:
        vae=plan.model("vae"),
        dtype=plan.dtype("latents"),
        moments=plan.moments,
    message:
        "take over latents of {wildcards.dataset}, shard {wildcards.shard} of {wildcards.shards}"
    shell:
        "sra take-latents --index {input.index} --vae {params.vae:q} --moments {params.moments:q} --dtype {params.dtype} --workers {threads} "
        "--device cpu --shard {wildcards.shard} --shards {wildcards.shards} --output {output.shard} 2> {log}"


rule finish_latents:
    """Join the shards under one manifest with labels and checksums."""
    input:
        index="results/shared/{dataset}/index.json",
        shards=plan.shards("latents"),
    output:
        store="results/shared/{dataset}/latents/{vae}/store.json",
    log:
        "results/shared/{dataset}/logs/finish_latents/{vae}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/finish_latents/{vae}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        vae=plan.model("vae"),
    message:
        "write the manifest of the latents of {wildcards.dataset}"
    shell:
        "sra finish-latents --index {input.index} --vae {params.vae:q} --output {output.store} {input.shards:q} 2> {log}"


rule extract_features:
    """Patch tokens of one shard of the training images by an external encoder, for REPA."""
    input:
        index="results/shared/{dataset}/index.json",
        encoder=plan.fetched("encoder"),
    output:
        shard="results/shared/{dataset}/features/{encoder}/features_{shard}_of_{shards}.npy",
    log:
        "results/shared/{dataset}/logs/extract_features/{encoder}/{shard}_of_{shards}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/extract_features/{encoder}/{shard}_of_{shards}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: data_needs.threads
    resources:
        gpu=data_needs.gpu,
        mem_mb=data_needs.mem_mb,
        runtime=data_needs.runtime,
    params:
        encoder=plan.model("encoder"),
        grid=plan.token_grid,
        dtype=plan.dtype("features"),
    message:
        "extract features of {wildcards.dataset} by {wildcards.encoder}, shard {wildcards.shard} of {wildcards.shards}"
    shell:
        "sra extract-features --index {input.index} --encoder {params.encoder:q} --grid {params.grid} --dtype {params.dtype} "
        "--workers {threads} --shard {wildcards.shard} --shards {wildcards.shards} --output {output.shard} 2> {log}"


rule finish_features:
    """Join the shards under one manifest with labels and checksums."""
    input:
        index="results/shared/{dataset}/index.json",
        shards=plan.shards("features"),
    output:
        store="results/shared/{dataset}/features/{encoder}/store.json",
    log:
        "results/shared/{dataset}/logs/finish_features/{encoder}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/finish_features/{encoder}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        encoder=plan.model("encoder"),
    message:
        "write the manifest of the features of {wildcards.dataset}"
    shell:
        "sra finish-features --index {input.index} --encoder {params.encoder:q} --output {output.store} {input.shards:q} 2> {log}"
