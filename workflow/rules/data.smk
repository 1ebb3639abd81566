# Images, latents and encoder features: everything that all runs on a data set share.


data_needs = plan.needs("data")


rule make_digits:
    """Write scikit-learn's handwritten digits as an archive of class folders, as a downloaded data set would be."""
    output:
        images="results/shared/digits/images.zip",
    log:
        "results/shared/digits/logs/make_digits.log",
    benchmark:
        "results/shared/digits/benchmarks/make_digits.tsv"
    conda:
        "../envs/stages.yaml"
    threads: data_needs.threads
    resources:
        mem_mb=data_needs.mem_mb,
        runtime=data_needs.runtime,
    message:
        "make the archive of digits"
    shell:
        "sra make-digits --output {output.images} 2> {log}"


rule index_images:
    """Check the archive and list its images with class, split and size."""
    input:
        images=plan.source_images,
    output:
        index="results/shared/{dataset}/index.json",
    log:
        "results/shared/{dataset}/logs/index_images.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/index_images.tsv"
    conda:
        "../envs/stages.yaml"
    threads: data_needs.threads
    resources:
        mem_mb=data_needs.mem_mb,
        runtime=data_needs.runtime,
    params:
        images=plan.images_source,
        size=plan.image_size,
        expected=plan.expected_images,
    message:
        "index the images of {wildcards.dataset}"
    shell:
        "sra index --images {params.images:q} --image-size {params.size} {params.expected} --output {output.index} 2> {log}"


rule extract_latents:
    """Encode one shard of the training images to posterior moments."""
    input:
        index="results/shared/{dataset}/index.json",
        vae=lambda wildcards: plan.model_weights(wildcards.vae, "vae", wildcards.dataset),
    output:
        shard="results/shared/{dataset}/latents/{vae}/latents_{shard}_of_{shards}.npy",
    log:
        "results/shared/{dataset}/logs/extract_latents/{vae}/{shard}_of_{shards}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/extract_latents/{vae}/{shard}_of_{shards}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: data_needs.threads
    resources:
        gpu=data_needs.gpu,
        mem_mb=data_needs.mem_mb,
        runtime=data_needs.runtime,
    params:
        vae=lambda wildcards: plan.model_source(wildcards.vae, "vae", wildcards.dataset),
    message:
        "extract latents of {wildcards.dataset}, shard {wildcards.shard} of {wildcards.shards}"
    shell:
        "sra extract-latents --index {input.index} --vae {params.vae:q} "
        "--shard {wildcards.shard} --shards {wildcards.shards} --output {output.shard} 2> {log}"


rule finish_latents:
    """Join the shards under one manifest with labels and checksums."""
    input:
        index="results/shared/{dataset}/index.json",
        shards=plan.latent_shards,
    output:
        store="results/shared/{dataset}/latents/{vae}/store.json",
    log:
        "results/shared/{dataset}/logs/finish_latents/{vae}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/finish_latents/{vae}.tsv"
    conda:
        "../envs/stages.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        vae=lambda wildcards: plan.model_source(wildcards.vae, "vae", wildcards.dataset),
    message:
        "write the manifest of the latents of {wildcards.dataset}"
    shell:
        "sra finish-latents --index {input.index} --vae {params.vae:q} --output {output.store} {input.shards:q} 2> {log}"


rule extract_features:
    """Patch tokens of the training images by an external encoder, for REPA."""
    input:
        index="results/shared/{dataset}/index.json",
        encoder=lambda wildcards: plan.model_weights(wildcards.encoder, "encoder", wildcards.dataset),
    output:
        store="results/shared/{dataset}/features/{encoder}/store.json",
    log:
        "results/shared/{dataset}/logs/extract_features/{encoder}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/extract_features/{encoder}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: data_needs.threads
    resources:
        gpu=data_needs.gpu,
        mem_mb=data_needs.mem_mb,
        runtime=data_needs.runtime,
    params:
        encoder=lambda wildcards: plan.model_source(wildcards.encoder, "encoder", wildcards.dataset),
        grid=plan.token_grid,
    message:
        "extract features of {wildcards.dataset} by {wildcards.encoder}"
    shell:
        "sra extract-features --index {input.index} --encoder {params.encoder:q} --grid {params.grid} --output {output.store} 2> {log}"
