"""Training steps: ours, the straight loop of the paper's equations, and diffusers' transformers, from the same batches.

    sra bench train --quick          SiT-B/2 + SRA beside the straight loop; three minutes on two cores
    sra bench train                  and without alignment, beside it and diffusers' DiT
    sra bench train --model XL       what SRA adds to SiT-XL/2; 20 GB of memory
    sra bench train --model mmdit    an MMDiT of 12 blocks beside diffusers' SD3 transformer; 20 GB of memory
    sra bench train --methods all    each alignment method beside the plain step; --methods layersync,reg some of them
    sra bench train --model XL --device cuda --precision bf16 --batch 256 --steps 5    on a GPU the straight loop is there at every size

Each candidate trains in a process of its own. The straight loop and ours start from the same weights, and end as near to each other as
sums in another order allow, or the benchmark fails. FLOPs are counted from the model in closed form. On a CPU ours runs eagerly: most of a step
is matrix products at the machine's ceiling, and what the compiler fuses between them is no faster there than torch's own loops.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from apart import Found, Group, take_turns_apart
from harness import Row, Timing, ceilings_of, options_of, publish
from train_candidates import (
    ALIGNED,
    BATCH,
    COPY,
    DIFFUSERS,
    OURS,
    RUNS,
    STRAIGHT,
    STRAIGHT_ALIGNED,
    UPDATE,
    WRITE,
    build_both,
    build_ceilings,
    build_diffusers,
    build_ours,
    build_parts,
    build_straight,
    spec_of,
    write_stores,
)
from train_methods import chosen, rounds_of_methods, rows_of_methods

from sra.forecast.flops import training_flops

# Of the norms of the weights after the same steps. Without the alignment they are at least a tenth apart.
NEAR = 1e-4
NEAR_ROUNDED = 3e-2  # where the products of one, or of both, are rounded: bf16, fp16, and TF32 on a GPU
AUTOSAVE_SECONDS = 600.0  # between rolling states of the paper preset


def main() -> None:
    parser = options_of(__doc__, turns=5, batch=8)
    parser.add_argument("--model", choices=RUNS, default="B")
    parser.add_argument("--quick", action="store_true", help="only ours and the straight loop, both with SRA; three turns")
    parser.add_argument("--methods", type=chosen, help="all, or some with commas between: each beside the plain step of SiT-B/2")
    parser.add_argument("--compile", action="store_true", help="ours block by block through torch.compile; always on a GPU")
    parser.add_argument("--graphs", action="store_true", help="ours as CUDA graphs of whole steps")
    parser.add_argument("--steps", type=int, default=1, help="in a turn, whose mean is its time; default %(default)s")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    of_whom = "of ours; the straight loop takes fp32 on a CPU, and on a GPU what was released: fp16, its teacher TF32"
    parser.add_argument("--precision", choices=["fp32", "bf16", "fp16"], default="fp32", help=of_whom)
    options = parser.parse_args()
    if options.quick and options.model != "B":
        parser.error("--quick is of --model B: two larger trainers at once need more memory than most machines have")
    options.compile |= options.device == "cuda"
    if options.methods and options.model != "B":
        parser.error("--methods are of --model B")
    turns = 3 if options.quick else options.turns
    rounds, ceilings, facts = [], {}, {"batch": options.batch, "precision": options.precision, "compiled": options.compile, "graphs": options.graphs}
    with tempfile.TemporaryDirectory() as folder:
        write_stores(Path(folder), options.batch)
        for groups in rounds_of(options, folder):
            found = take_turns_apart(groups, turns, warm_up=2, cuda=options.device == "cuda", repeats=options.steps)
            check_nearness(found.compared, NEAR if (options.device, options.precision) == ("cpu", "fp32") else NEAR_ROUNDED)
            rounds.append(found)
            measured = ceilings_of(found.times, options.device, options.precision)
            ceilings = {name: max(value, ceilings.get(name, 0.0)) for name, value in measured.items()}
            facts |= {f"GB of {group.name}": round(peak / 1e9, 1) for group, peak in zip(groups, found.peak_bytes, strict=True) if group.name}
    variant = "methods" if options.methods else "" if options.model == "B" else options.model.lower()
    rows = [
        row
        for found in rounds
        for row in (rows_of_methods(found, options) if options.methods else rows_of(found, options, ceilings["matrix product"]))
    ]
    publish(f"training steps of {size_of(options)}", rows, options, ceilings, variant, **facts)


def rounds_of(options: argparse.Namespace, folder: str) -> list[list[Group]]:
    """Who is there at the same time: those that a row compares, and no more than 24 GB hold of them."""
    plain, aligned = RUNS[options.model]
    shared = {"folder": folder, "batch": options.batch, "device": options.device}
    ours = shared | {"precision": options.precision, "compiled": options.compile, "graphs": options.graphs}
    ceilings = Group(build_ceilings, {"device": options.device, "precision": options.precision})
    if options.methods:
        return rounds_of_methods(options.methods, options, folder, ceilings)
    diffusers = Group(build_diffusers, {**shared, "run": plain, "name": DIFFUSERS})
    straight_aligned = Group(build_straight, {**shared, "run": aligned, "name": STRAIGHT_ALIGNED})
    if options.model != "B":
        # One trainer takes steps with and without the alignment. Its weights are not compared with the straight loop's, which takes half of them.
        beside = {"mmdit": [diffusers], "L": [straight_aligned], "XL": [straight_aligned]}.get(options.model, [])
        beside = beside if options.model == "mmdit" or options.device == "cuda" else []
        return [[Group(build_both, {**ours, "run": aligned}), *beside, ceilings]]
    of_sra = [Group(build_ours, {**ours, "run": aligned, "name": ALIGNED}), straight_aligned]
    if options.quick:
        return [[*of_sra, ceilings]]
    without = Group(build_ours, {**ours, "run": plain, "name": OURS})
    straight = Group(build_straight, {**shared, "run": plain, "name": STRAIGHT})
    return [[*of_sra, without, ceilings], [without, straight, diffusers, ceilings], [Group(build_parts, {**ours, "run": aligned}), ceilings]]


def size_of(options: argparse.Namespace) -> str:
    names = {"mmdit": "MMDiT/2 of 12 blocks"} | {name: f"{name}/2" if name.startswith("DiT") else f"SiT-{name}/2" for name in RUNS if name != "mmdit"}
    return names[options.model]


def rows_of(found: Found, options: argparse.Namespace, ceiling: float) -> list[Row]:
    """Of the candidates that took part. ceiling: FLOPs a second."""
    size, times, (plain, aligned) = size_of(options), found.times, RUNS[options.model]

    def share(name: str, run: str) -> float:
        flops = options.batch * training_flops(spec_of(run, options.batch, options.precision), None).total
        return flops / times[name].median / ceiling

    pairs = [
        (f"a step of {size} + SRA", ALIGNED, "the straight loop", STRAIGHT_ALIGNED, aligned),
        (f"a step of {size} + SRA", ALIGNED, "ours without SRA", OURS, aligned),
        (f"a step of {size}", OURS, "the straight loop", STRAIGHT, plain),
        (f"a step of {size}", OURS, "diffusers' SD3 transformer" if options.model == "mmdit" else "diffusers' DiT", DIFFUSERS, plain),
    ]
    rows = [
        Row(what, times[ours], peer, times[theirs], run and share(ours, run))
        for what, ours, peer, theirs, run in pairs
        if {ours, theirs} <= set(times)
    ]
    if BATCH in times:
        between = Timing((AUTOSAVE_SECONDS,) * len(times[BATCH].seconds))
        rows += [Row(f"{size} + SRA: {part}", times[part], "a step", times[ALIGNED]) for part in (BATCH, UPDATE)]
        rows += [Row(f"{size} + SRA: {part}", times[part], "ten minutes of training", between) for part in (COPY, WRITE)]
    return rows


def check_nearness(compared: list[list[float] | None], near: float) -> None:
    """Pairs of neighbours: ours, then the straight loop. Ends the program when a norm is further apart than `near` of its value."""
    pairs = [pair for pair in zip(compared[::2], compared[1::2], strict=False) if all(pair)]
    for ours, theirs in pairs:
        apart = max(abs(a - b) / max(abs(b), 1e-3) for a, b in zip(ours, theirs, strict=True))
        print(f"after the same steps the norms of ours and the straight loop's weights differ by {apart:.1e}")
        if not apart < near:
            sys.exit(f"expected less than {near:g}: they do not train the same")


if __name__ == "__main__":
    main()
