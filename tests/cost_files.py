"""Cost receipts as `sra measure` writes them, and the cost that is forecast. For whoever renders or plans without training anything."""

from pathlib import Path

from sra.content.catalogue import Catalogue
from sra.core.files import write_json
from sra.plan import cost
from sra.plan.remaining import Remaining
from sra.plan.workflow import plan_of


def cost_of(catalogue: Catalogue, items=(), devices=1, processes=1, device=None) -> cost.Cost:
    """What is left of a catalogue's tables and figures, as `sra cost` says it."""
    return cost.cost_of(Remaining(plan_of(catalogue), processes), list(items), devices, device)


CPU = {"device": "cpu", "processes": 1, "micro_batch": None, "compile": False, "activation_checkpointing": False}


def write_cost_file(path: Path, run, seconds=None, median=0.5, memory=50_000_000, extra=200_000, preset="small", machine=CPU, **fields) -> Path:
    """The path. An epoch has 10 steps; blocks lie 8 % apart unless their seconds are given; `memory` is that of training, beside 300 MB before."""
    steady = [share * (median or 1.0) for share in (0.96, 1.0, 1.04)]
    record = {
        "preset": preset,
        "run": run,
        "fingerprint": "f" * 64,
        "steps": {"seconds": list(steady if seconds is None else seconds), "median": median, "warm_up_steps": 3, "steps_per_block": 10},
        "batch": 4,
        "images": 43,
        "steps_per_epoch": 10,
        "memory": {"of": "process", "peak": 300_000_000 + memory, "before": 300_000_000},
        "parameters": {"model": 1_000_000, "heads": 20_000, "extra_forward": extra},
        "flops_per_step": 2_000_000_000,
        "machine": machine,
        "device_name": "x86_64",
        "threads": 1,
        "precision": "fp32",
        "made_from": {"latents": "a" * 64},
        "versions": {"sra": "0.1"},
    }
    write_json(path, record | fields)
    return path
