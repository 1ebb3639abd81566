"""Official networks on the formula's weights and inputs: what `ours_models.py` must give."""

from contextlib import nullcontext

import torch
from checkouts import Official, filled, fixed_draws, repa_options, sra_options
from formula import BASE, CLASSES, TINY, Inputs, Size, digest, inputs
from torch import Tensor, nn

SIZES = {"S": "S_2", "B": "B_2", "L": "L_2", "XL": "XL_2"}
WIDTHS = {"S": 384, "B": 768, "L": 1024, "XL": 1152}


@torch.no_grad()
def model_arrays(official: Official) -> dict[str, Tensor]:
    """`<code>/<size>/<mode>/<what>`; training mode drops labels by the formula's draws."""
    found = {}
    for size in (TINY, BASE):
        given = inputs(size)
        sit, dit = sra_options(size, sit=True), sra_options(size, sit=False)
        networks = {
            "sra_sit": (filled(official.sra_sit.SiT, size, **sit), given.times),
            "sra_dit": (filled(official.sra_dit.DiT, size, **dit), given.steps),
            "repa_sit": (filled(official.repa_sit.SiT, size, **repa_options(size)), given.times),
            "dit": (filled(official.dit.DiT, size), given.steps),
            # Time 1 is data here: the same noisy latents stand at 1 - t.
            "sit": (filled(official.sit.SiT, size), 1 - given.times),
        }
        for code, (network, time) in networks.items():
            for mode in ("eval", "train"):
                for what, tensor in outputs(code, network.train(mode == "train"), time, given, size).items():
                    kept_whole = what == "labels" or (what == "output" and size is TINY)
                    found[f"{code}/{size.name}/{mode}/{what}"] = tensor if kept_whole else digest(tensor)
    return found


def outputs(code: str, network: nn.Module, time: Tensor, given: Inputs, size: Size) -> dict[str, Tensor]:
    """The output, the residual stream after the two blocks, and what the head or projector makes of the first."""
    seen = {}
    hooks = [
        network.blocks[block - 1].register_forward_hook(lambda _, __, tokens, block=block: seen.update({f"block {block}": tokens}))
        for block in (size.student_block, size.teacher_block)
    ]
    extra = {"ad": size.student_block} if code.startswith("sra") else {}
    with fixed_draws(rand=[given.dropout]) if network.training else nullcontext():
        result = network(given.latents, time, given.labels, **extra)
    for hook in hooks:
        hook.remove()
    if code.startswith("sra"):
        output, aligned, labels = result
        seen |= {"aligned": aligned, "labels": labels}
    elif code == "repa_sit":
        output, (seen["aligned"],) = result
    else:
        output = result
    return {"output": output, **seen}


@torch.no_grad()
def guidance_arrays(official: Official) -> dict[str, Tensor]:
    """One guided evaluation on three of the four channels; the official functions want the batch doubled and give it back doubled."""
    given, found = inputs(TINY), {}
    labels = torch.cat([given.labels, torch.full_like(given.labels, CLASSES)])
    for code, network, time in (("dit", official.dit.DiT, given.steps), ("sit", official.sit.SiT, 1 - given.times)):
        latents, times = torch.cat([given.latents] * 2), torch.cat([time] * 2)
        guided = filled(network, TINY).forward_with_cfg(latents, times, labels, cfg_scale=4.0)
        found[f"{code}/guided"] = guided.chunk(2)[0]
    return found


def count_arrays(official: Official) -> dict[str, Tensor]:
    """Parameters of the published sizes: `<code>/<size>/network` with positions, without heads; `.../head` and `.../projector` alone."""
    found = {}
    for size, name in SIZES.items():
        # The released constructors leave the last layer of S at 768, which cannot run; its width is given for all.
        sit = {"fused_attn": True, "qk_norm": False, **({"decoder_hidden_size": WIDTHS[size]} if size == "S" else {})}
        with torch.device("meta"):
            networks = {
                "sra_sit": getattr(official.sra_sit, f"SiT_{name}")(**sit),
                "repa_sit": getattr(official.repa_sit, f"SiT_{name}")(**sit),
                "sra_dit": getattr(official.sra_dit, f"DiT_{name}")(fused_attn=True, qk_norm=False),
                "dit": getattr(official.dit, f"DiT_{name}")(),
            }
        for code, network in networks.items():
            heads = {"head": getattr(network, "ap_head", None), "projector": getattr(network, "projectors", None)}
            counts = {what: parameters(head) for what, head in heads.items() if head is not None}
            counts["network"] = parameters(network) - sum(counts.values())
            found |= {f"{code}/{size}/{what}": torch.tensor(count) for what, count in counts.items()}
    return found


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
