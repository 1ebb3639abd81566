"""Score files as scoring writes them, and the text of a hostile user. For whoever renders a report without running anything."""

from hashlib import sha256
from pathlib import Path

from sra.core.files import write_json

HOSTILE = "</script><img src=x onerror=alert(1)> \"quoted\" 'single' & {braces} \\x $y% #z_ ^~ | * ] \u202e rtl " + "long " * 60


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def write_score_file(
    path: Path, run, milestone="m400k", sampler="sde250", paper_count=50000, preset="small", step=400, scale=1.0, warnings=(), **metrics
) -> Path:
    """The path, with every field that a table or the page reads; `scale` is that of the guidance."""
    record = {
        "schema": 1,
        "preset": preset,
        "run": run,
        "milestone": milestone,
        "step": step,
        "sampler_name": sampler,
        "sampler": {"kind": "sde", "guidance": {"scale": scale}},
        "count": 500,
        "paper_count": paper_count,
        "label_policy": "random",
        "seed": 0,
        "fingerprint": digest(run),
        "precision": "fp32",
        "device": "cpu",
        "metrics": metrics,
        "extractor": {"name": "digits_cnn", "sha256": digest("extractor"), "held_out_accuracy": 0.975},
        "reference": {"sha256": digest("reference"), "images": 100, "statistics_count": 100},
        "samples": {"sha256": digest(f"{run}{milestone}"), "duplicates": 0},
        "weights": {"sha256": digest(f"w{run}{milestone}")},
        "settings": {
            "precision_recall": "fp32",
            "neighbours": 3,
            "is_chunk": 500,
            "dtype": "float32",
            "tf32": False,
            "batch": 10,
            "device": "cpu",
        },
        "versions": {"sra": "0.1"},
        "warnings": list(warnings),
    }
    write_json(path, record)
    return path
