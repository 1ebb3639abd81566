# Small models trained here that stand for downloaded ones at small presets; saved and loaded through the same classes.

from sra.plan import data, needs


rule train_vae:
    """Train the small autoencoder that stands for the SD-VAE."""
    input:
        index="results/shared/{dataset}/index.json",
    output:
        config="results/shared/{dataset}/vae/{vae}/config.json",
        weights="results/shared/{dataset}/vae/{vae}/diffusion_pytorch_model.safetensors",
    log:
        "results/shared/{dataset}/logs/train_vae/{vae}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/train_vae/{vae}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="standin")
    resources:
        mem_mb=ask(needs.mem_mb, stage="standin"),
        runtime=ask(needs.runtime, stage="standin"),
    params:
        folder=subpath(output.weights, parent=True),
        options=ask(data.standin_options, kind="vae"),
    message:
        "train the autoencoder {wildcards.vae}"
    shell:
        "sra train-vae --index {input.index} --output {params.folder} {params.options} 2> {log}"


rule train_encoder:
    """Train the small vision transformer that stands for an external encoder."""
    input:
        index="results/shared/{dataset}/index.json",
    output:
        config="results/shared/{dataset}/encoder/{encoder}/config.json",
        weights="results/shared/{dataset}/encoder/{encoder}/model.safetensors",
    log:
        "results/shared/{dataset}/logs/train_encoder/{encoder}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/train_encoder/{encoder}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="standin")
    resources:
        mem_mb=ask(needs.mem_mb, stage="standin"),
        runtime=ask(needs.runtime, stage="standin"),
    params:
        folder=subpath(output.weights, parent=True),
        options=ask(data.standin_options, kind="encoder"),
    message:
        "train the encoder {wildcards.encoder}"
    shell:
        "sra train-encoder --index {input.index} --output {params.folder} {params.options} 2> {log}"


rule train_extractor:
    """Train the small classifier that stands for the FID Inception network, or the network of the second distance, without labels."""
    input:
        index="results/shared/{dataset}/index.json",
    output:
        config="results/shared/{dataset}/extractor/{extractor}/config.json",
        weights="results/shared/{dataset}/extractor/{extractor}/model.safetensors",
    log:
        "results/shared/{dataset}/logs/train_extractor/{extractor}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/train_extractor/{extractor}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="standin")
    resources:
        mem_mb=ask(needs.mem_mb, stage="standin"),
        runtime=ask(needs.runtime, stage="standin"),
    params:
        folder=subpath(output.weights, parent=True),
        options=ask(data.extractor_options),
    message:
        "train the feature extractor {wildcards.extractor}"
    shell:
        "sra train-extractor --index {input.index} --output {params.folder} {params.options} 2> {log}"


rule train_clip:
    """Train the small CLIP that stands for the text encoder and for the models of image-text scores."""
    input:
        index="results/shared/{dataset}/index.json",
    output:
        config="results/shared/{dataset}/clip/{clip}/config.json",
        weights="results/shared/{dataset}/clip/{clip}/model.safetensors",
    log:
        "results/shared/{dataset}/logs/train_clip/{clip}.log",
    benchmark:
        "results/shared/{dataset}/benchmarks/train_clip/{clip}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="standin")
    resources:
        mem_mb=ask(needs.mem_mb, stage="standin"),
        runtime=ask(needs.runtime, stage="standin"),
    params:
        folder=subpath(output.weights, parent=True),
    message:
        "train the CLIP {wildcards.clip}"
    shell:
        "sra train-clip --index {input.index} --output {params.folder} 2> {log}"
