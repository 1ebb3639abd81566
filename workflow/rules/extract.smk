# Latents and encoder features: the stores that training reads, in shards that jobs share.

from sra.plan import assets, data, needs


rule extract_latents:
    """Encode one shard of the training images to posterior moments."""
    input:
        index="results/shared/{dataset}/index.json",
        vae=ask(assets.inputs, kind="vae"),
    output:
        shard="results/shared/{dataset}/latents/{vae}/latents_{shard}_of_{shards}.npy",
    log:
        "results/shared/{dataset}/logs/extract_latents/{vae}/{shard}_of_{shards}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/extract_latents/{vae}/{shard}_of_{shards}.tsv"
    wildcard_constraints:
        dataset=data.extracted(plan),
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="data")
    resources:
        gpu=ask(needs.gpu, stage="data"),
        mem_mb=ask(needs.mem_mb, stage="data"),
        runtime=ask(needs.runtime, stage="data"),
    params:
        vae=ask(assets.source, kind="vae"),
        dtype=ask(data.dtype, kind="latents"),
        batch=ask(data.encoding_batch),
    message:
        "extract latents of {wildcards.dataset}, shard {wildcards.shard} of {wildcards.shards}"
    shell:
        "sra extract-latents --index {input.index} --vae {params.vae:q} --dtype {params.dtype} --batch {params.batch} --workers {threads} "
        "--shard {wildcards.shard} --shards {wildcards.shards} --output {output.shard} 2> {log}"


rule take_latents:
    """Take over one shard of moments that REPA's or SRA's preprocessing computed, and compare some of them."""
    input:
        index="results/shared/{dataset}/index.json",
        vae=ask(assets.inputs, kind="vae"),
    output:
        shard="results/shared/{dataset}/latents/{vae}/latents_{shard}_of_{shards}.npy",
    log:
        "results/shared/{dataset}/logs/take_latents/{vae}/{shard}_of_{shards}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/take_latents/{vae}/{shard}_of_{shards}.tsv"
    wildcard_constraints:
        dataset=data.preprocessed(plan),
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="data")
    resources:
        mem_mb=ask(needs.mem_mb, stage="data"),
        runtime=ask(needs.runtime, stage="data"),
    params:
        vae=ask(assets.source, kind="vae"),
        dtype=ask(data.dtype, kind="latents"),
        moments=ask(data.moments),
    message:
        "take over latents of {wildcards.dataset}, shard {wildcards.shard} of {wildcards.shards}"
    shell:
        "sra take-latents --index {input.index} --vae {params.vae:q} --moments {params.moments:q} --dtype {params.dtype} --workers {threads} "
        "--device cpu --shard {wildcards.shard} --shards {wildcards.shards} --output {output.shard} 2> {log}"


rule finish_latents:
    """Join the shards under one manifest with labels and checksums."""
    input:
        index="results/shared/{dataset}/index.json",
        shards=ask(data.shards, kind="latents"),
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
        vae=ask(assets.source, kind="vae"),
    message:
        "write the manifest of the latents of {wildcards.dataset}"
    shell:
        "sra finish-latents --index {input.index} --vae {params.vae:q} --output {output.store} {input.shards:q} 2> {log}"


rule extract_features:
    """Patch tokens of one shard of the training images by an external encoder, for REPA."""
    input:
        index="results/shared/{dataset}/index.json",
        encoder=ask(assets.inputs, kind="encoder"),
    output:
        shard="results/shared/{dataset}/features/{encoder}/features_{shard}_of_{shards}.npy",
    log:
        "results/shared/{dataset}/logs/extract_features/{encoder}/{shard}_of_{shards}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/extract_features/{encoder}/{shard}_of_{shards}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="data")
    resources:
        gpu=ask(needs.gpu, stage="data"),
        mem_mb=ask(needs.mem_mb, stage="data"),
        runtime=ask(needs.runtime, stage="data"),
    params:
        encoder=ask(assets.source, kind="encoder"),
        grid=ask(data.token_grid),
        dtype=ask(data.dtype, kind="features"),
    message:
        "extract features of {wildcards.dataset} by {wildcards.encoder}, shard {wildcards.shard} of {wildcards.shards}"
    shell:
        "sra extract-features --index {input.index} --encoder {params.encoder:q} --grid {params.grid} --dtype {params.dtype} "
        "--workers {threads} --shard {wildcards.shard} --shards {wildcards.shards} --output {output.shard} 2> {log}"


rule finish_features:
    """Join the shards under one manifest with labels and checksums."""
    input:
        index="results/shared/{dataset}/index.json",
        shards=ask(data.shards, kind="features"),
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
        encoder=ask(assets.source, kind="encoder"),
    message:
        "write the manifest of the features of {wildcards.dataset}"
    shell:
        "sra finish-features --index {input.index} --encoder {params.encoder:q} --output {output.store} {input.shards:q} 2> {log}"
