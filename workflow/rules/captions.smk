# Captioned images: made or downloaded, their index, and their captions encoded for training.

from sra.plan import assets, data, needs


rule make_scenes:
    """Write scenes of two digits with captions, in the layout of MS-COCO 2014."""
    output:
        annotations=expand("results/shared/scenes/coco/annotations/captions_{split}2014.json", split=["train", "val"]),
        train="results/shared/scenes/coco/train2014.zip",
        val="results/shared/scenes/coco/val2014.zip",
    log:
        "results/shared/scenes/logs/make_scenes.log",
    benchmark:
        "results/shared/scenes/benchmarks/make_scenes.tsv"
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="data")
    resources:
        mem_mb=ask(needs.mem_mb, stage="data"),
        runtime=ask(needs.runtime, stage="data"),
    params:
        folder=subpath(output.train, parent=True),
    message:
        "make captioned scenes of digits"
    shell:
        "sra make-scenes --output {params.folder} 2> {log}"


rule index_captions:
    """Check annotations and images of a captioned data set and list the images with their captions."""
    input:
        images=ask(data.source_files),
    output:
        index=f"results/shared/{{dataset,{data.captioned(plan)}}}/index.json",
    log:
        "results/shared/{dataset}/logs/index_captions.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/index_captions.tsv"
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="data")
    resources:
        mem_mb=ask(needs.mem_mb, stage="data"),
        runtime=ask(needs.runtime, stage="data"),
    params:
        folder=ask(data.source),
        size=ask(data.image_size),
        expected=ask(data.expected_images),
    message:
        "index the captioned images of {wildcards.dataset}"
    shell:
        "sra index-captions --root {params.folder:q} --image-size {params.size} {params.expected} --workers {threads} "
        "--output {output.index} 2> {log}"


ruleorder: index_captions > index_images


rule extract_text:
    """Encode one shard of the training captions, and the empty one."""
    input:
        index="results/shared/{dataset}/index.json",
        encoder=ask(assets.inputs, kind="clip"),
    output:
        shard="results/shared/{dataset}/text/{clip}/text_{shard}_of_{shards}.npy",
    log:
        "results/shared/{dataset}/logs/extract_text/{clip}/{shard}_of_{shards}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/extract_text/{clip}/{shard}_of_{shards}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="data")
    resources:
        gpu=ask(needs.gpu, stage="data"),
        mem_mb=ask(needs.mem_mb, stage="data"),
        runtime=ask(needs.runtime, stage="data"),
    params:
        encoder=ask(assets.source, kind="clip"),
        dtype=ask(data.dtype, kind="text"),
    message:
        "encode the captions of {wildcards.dataset}, shard {wildcards.shard} of {wildcards.shards}"
    shell:
        "sra extract-text --index {input.index} --encoder {params.encoder:q} --dtype {params.dtype} "
        "--shard {wildcards.shard} --shards {wildcards.shards} --output {output.shard} 2> {log}"


rule finish_text:
    """Join the shards under one manifest with the image of each caption and checksums."""
    input:
        index="results/shared/{dataset}/index.json",
        shards=ask(data.shards, kind="text"),
    output:
        store="results/shared/{dataset}/text/{clip}/store.json",
    log:
        "results/shared/{dataset}/logs/finish_text/{clip}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/finish_text/{clip}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        encoder=ask(assets.source, kind="clip"),
    message:
        "write the manifest of the captions of {wildcards.dataset}"
    shell:
        "sra finish-text --index {input.index} --encoder {params.encoder:q} --output {output.store} {input.shards:q} 2> {log}"
