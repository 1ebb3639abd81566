# Training: a chain of segments, one job from milestone to milestone.

from sra.plan import needs, train


rule resolve_run:
    """Write the run's own config.json. It changes only when this run changes, so editing one run retrains that run alone."""
    output:
        config="results/{preset}/runs/{run}/config.json",
    log:
        "results/{preset}/logs/resolve_run/{run}.log",
    benchmark:
        "results/{preset}/benchmarks/resolve_run/{run}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        fingerprint=ask(train.fingerprint),
    message:
        "resolve {wildcards.run}"
    shell:
        "sra resolve {wildcards.run} --preset {wildcards.preset} --expect {params.fingerprint} --output {output.config} 2> {log}"


rule train_segment:
    """Continue one run from its previous point to a milestone; resumable inside the segment."""
    input:
        unpack(ask(train.targets)),
        unpack(ask(train.captions)),
        config="results/{preset}/runs/{run}/config.json",
        latents=ask(train.latents),
        previous=ask(train.previous_state),
        start=ask(train.start),
    output:
        state="results/{preset}/runs/{run}/state/{point,m[0-9]+[km]}.safetensors",
        curve="results/{preset}/runs/{run}/curve/{point}.jsonl",
    log:
        "results/{preset}/logs/train/{run}/{point}.log",
    benchmark:
        "results/{preset}/benchmarks/train/{run}/{point}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="train")
    resources:
        gpu=ask(needs.gpu, stage="train"),
        mem_mb=ask(needs.mem_mb, stage="train"),
        runtime=ask(train.runtime),
        disk_mb=ask(train.disk_mb),
        nodes=plan.user.nodes,
        # Slurm says that time runs out two minutes before it does: the training saves its state and leaves.
        slurm_extra="--signal=TERM@120",
    params:
        step=ask(train.step),
        minutes=ask(train.rolling_minutes),
        options=ask(train.options),
        previous=lambda wildcards, input: f"--previous {input.previous}" if input.previous else "",
        start=lambda wildcards, input: f"--start {input.start}" if input.start else "",
    message:
        "train {wildcards.run} to {wildcards.point}"
    shell:
        "exec sra train {input.config} --latents {input.latents} {params.options:q} {params.start} {params.previous} --until {params.step} "
        "--rolling-minutes {params.minutes} --state {output.state} --curve {output.curve} 2> {log}"


use rule train_segment as train_between with:
    # A boundary between two milestones, needed only by the next segment.
    output:
        state=temp("results/{preset}/runs/{run}/state/{point,s[0-9]+}.safetensors"),
        curve="results/{preset}/runs/{run}/curve/{point}.jsonl",


rule export_ema:
    """The averaged weights of a milestone alone: what is sampled, evaluated and shared."""
    input:
        config="results/{preset}/runs/{run}/config.json",
        state="results/{preset}/runs/{run}/state/{milestone}.safetensors",
    output:
        weights="results/{preset}/runs/{run}/weights/{milestone}.safetensors",
    log:
        "results/{preset}/logs/export/{run}/{milestone}.log",
    benchmark:
        "results/{preset}/benchmarks/export/{run}/{milestone}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=ask(needs.mem_mb, stage="train"),
        runtime=10,
    message:
        "export the averaged weights of {wildcards.run} at {wildcards.milestone}"
    shell:
        "sra export {input.config} --state {input.state} --output {output.weights} 2> {log}"


rule import_weights:
    """Start from a released checkpoint instead of training. First of all jobs, so that a file that is missing or wrong costs no work."""
    input:
        config="results/{preset}/runs/{run}/config.json",
        checkpoint=ask(train.released_file),
    output:
        weights="results/{preset}/runs/{run,[a-z0-9_]+_released}/weights/{milestone}.safetensors",
    log:
        "results/{preset}/logs/import/{run}/{milestone}.log",
    benchmark:
        "results/{preset}/benchmarks/import/{run}/{milestone}.tsv"
    priority: 100
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=30,
    params:
        file=ask(train.released_path),
        options=ask(train.released_options),
    message:
        "import the released weights of {wildcards.run}"
    shell:
        "sra import-weights {input.config} {params.file:q} {params.options:q} --output {output.weights} > {log} 2>&1"


use rule import_weights as import_start with:
    # The weights that a run trains on, where they are not its seed's.
    output:
        weights="results/{preset}/runs/{run}/start.safetensors",
    log:
        "results/{preset}/logs/import/{run}/start.log",
    benchmark:
        "results/{preset}/benchmarks/import/{run}/start.tsv"


ruleorder: import_weights > export_ema
