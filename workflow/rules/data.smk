# Images: the archive, its index, and the cropped images packed for encoders that see them again and again.

from sra.plan import data, needs

for maker in data.makers(plan):

    rule:
        """Write images as an archive of class folders, as a downloaded data set would be. One rule for each file of sra/data that makes some."""
        name:
            f"make_{maker}"
        output:
            images="results/shared/{dataset}/images.zip",
        log:
            f"results/shared/{{dataset}}/logs/make_{maker}.log",
        benchmark:
            f"results/shared/{{dataset}}/benchmarks/make_{maker}.tsv"
        wildcard_constraints:
            dataset=data.made_by(plan, maker),
        conda:
            "../envs/stages.yaml"
        threads: 1
        resources:
            mem_mb=ask(needs.mem_mb, stage="data"),
            runtime=ask(needs.runtime, stage="data"),
        params:
            size=ask(data.image_size),
            options=ask(data.making_options),
            row=ask(data.row),
        message:
            "make the archive of {wildcards.dataset}"
        shell:
            "sra make-images {wildcards.dataset} --image-size {params.size} {params.options:q} --output {output.images} 2> {log}"


rule index_images:
    """Check the archive and list its images with class, split and size."""
    input:
        images=ask(data.source_files),
    output:
        index="results/shared/{dataset}/index.json",
    log:
        "results/shared/{dataset}/logs/index_images.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/index_images.tsv"
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="data")
    resources:
        mem_mb=ask(needs.mem_mb, stage="data"),
        runtime=ask(needs.runtime, stage="data"),
    params:
        images=ask(data.source),
        size=ask(data.image_size),
        expected=ask(data.expected_images),
    message:
        "index the images of {wildcards.dataset}"
    shell:
        "sra index --images {params.images:q} --image-size {params.size} {params.expected} --workers {threads} --output {output.index} 2> {log}"


rule pack_images:
    """Crop one shard of the training images once, for encoders that run while a model trains."""
    input:
        index="results/shared/{dataset}/index.json",
    output:
        shard="results/shared/{dataset}/pixels/pixels_{shard}_of_{shards}.npy",
    log:
        "results/shared/{dataset}/logs/pack_images/{shard}_of_{shards}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/pack_images/{shard}_of_{shards}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="data")
    resources:
        mem_mb=ask(needs.mem_mb, stage="data"),
        runtime=ask(needs.runtime, stage="data"),
    message:
        "pack the images of {wildcards.dataset}, shard {wildcards.shard} of {wildcards.shards}"
    shell:
        "sra pack-images --index {input.index} --workers {threads} --shard {wildcards.shard} --shards {wildcards.shards} "
        "--output {output.shard} 2> {log}"


rule finish_pixels:
    """Join the shards under one manifest with labels and checksums."""
    input:
        index="results/shared/{dataset}/index.json",
        shards=ask(data.shards, kind="pixels"),
    output:
        store="results/shared/{dataset}/pixels/store.json",
    log:
        "results/shared/{dataset}/logs/finish_pixels.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/finish_pixels.tsv"
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    message:
        "write the manifest of the images of {wildcards.dataset}"
    shell:
        "sra finish-pixels --index {input.index} --output {output.store} {input.shards:q} 2> {log}"
