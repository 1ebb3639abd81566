"""REPA's text-to-image network on the formula's weights and inputs: what `ours_t2i.py` must give."""

import contextlib
import os

import torch
from checkouts import Official, fixed_draws
from formula import ENCODER_WIDTH, PROJECTOR_WIDTH, TINY_T2I, WIDE_T2I, Inputs, Size, digest, digests, fill, inputs, texts
from torch import Tensor, nn

PUBLISHED_DEPTH = 24
WEIGHT = 0.5  # of the projection loss (train_t2i.py, --proj-coeff)


def t2i_arrays(official: Official) -> dict[str, Tensor]:
    return {**outputs(official), **losses(official), **counts(official)}


@torch.no_grad()
def outputs(official: Official) -> dict[str, Tensor]:
    """`<size>/<mode>/<what>`: the output, the image after two blocks, what the projector makes of the first. Training drops captions."""
    found = {}
    for size in (TINY_T2I, WIDE_T2I):
        network, given, (captions, dropped) = filled(official, size), inputs(size), texts(size)
        for mode, text in (("eval", captions), ("train", dropped)):
            seen = run(network.train(mode == "train"), given, text, size)
            found |= {f"{size.name}/{mode}/{what}": digest(tensor) for what, tensor in seen.items()}
    return found


def run(network: nn.Module, given: Inputs, text: Tensor, size: Size) -> dict[str, Tensor]:
    seen = {}
    hooks = [
        network.joint_blocks[block - 1].register_forward_hook(lambda _, __, streams, block=block: seen.update({f"block {block}": streams[1]}))
        for block in (size.student_block, size.teacher_block)
    ]
    seen["output"], (seen["aligned"],) = network(given.latents, given.times, context=text)
    for hook in hooks:
        hook.remove()
    return seen


def losses(official: Official) -> dict[str, Tensor]:
    """Velocity loss of each sample, the projection loss, and gradients of both together."""
    found = {}
    for size in (TINY_T2I, WIDE_T2I):
        network, given, (_, dropped) = filled(official, size).train(), inputs(size), texts(size)
        with fixed_draws(rand=[given.times.view(-1, 1, 1, 1)], randn_like=[given.noise]):
            velocity, projection = official.repa_loss.SILoss()(network, given.latents, {"context": dropped}, zs=[given.features])
        (velocity.mean() + WEIGHT * projection.mean()).backward()
        gradients = torch.cat(digests((name, parameter.grad) for name, parameter in network.named_parameters()))
        found |= {f"{size.name}/velocity": velocity, f"{size.name}/projection": projection.mean(), f"{size.name}/gradients": gradients}
    return found


def counts(official: Official) -> dict[str, Tensor]:
    """Parameters of the published network; positions are a buffer here and not among them."""
    network = unfilled(official, PUBLISHED_DEPTH, 32)
    projector = sum(parameter.numel() for parameter in network.projectors.parameters())
    return {
        "count/network": torch.tensor(sum(parameter.numel() for parameter in network.parameters()) - projector),
        "count/projector": torch.tensor(projector),
    }


def filled(official: Official, size: Size) -> nn.Module:
    """The official network with the formula's weights.

    Its depth sets its width and heads, so a shallow wide one is a deep one without its middle; and its positions are cut out of a grid of
    16 x 16, so a smaller grid is said to be the whole.
    """
    options = {"encoder_depth": size.student_block, "z_dims": [ENCODER_WIDTH], "projector_dim": PROJECTOR_WIDTH}
    network = unfilled(official, size.heads, size.side, **options)
    network.joint_blocks = nn.ModuleList([*network.joint_blocks[: size.depth - 1], network.joint_blocks[-1]])
    network.pos_embed_max_size = size.side // 2
    positions = official.repa_mmdit.get_2d_sincos_pos_embed(size.width, size.side // 2)
    network = network.to_empty(device="cpu")
    network.pos_embed.copy_(torch.from_numpy(positions)[None])
    return fill(network, "student")


def unfilled(official: Official, depth: int, side: int, **options) -> nn.Module:
    """The official network without memory, its greeting unprinted."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere), torch.device("meta"):
        return official.repa_mmdit.MMDiT(input_size=side, depth=depth, **options)
