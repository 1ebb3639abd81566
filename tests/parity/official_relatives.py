"""Official losses of SRA's relatives and their gradients on the formula's batch: what `ours_relatives.py` must give."""

import contextlib
import os
from dataclasses import dataclass
from unittest.mock import patch

import torch
from checkouts import Official, filled, fixed_draws, repa_options, sra_options
from formula import CLASSES, TINY, inputs, negatives, summaries, two_times
from official_losses import gradients
from official_models import SIZES, WIDTHS, parameters
from torch import Tensor, nn

GIVEN = inputs(TINY)
B = TINY.batch
TIMES = GIVEN.times.view(B, 1, 1, 1)


def relatives_arrays(official: Official) -> dict[str, Tensor]:
    return {
        **layersync(official),
        **dispersive(official),
        **irepa(official),
        **contrastive(official),
        **dual_times(official),
        **reg(official),
        **reg_counts(official),
    }


def layersync(official: Official) -> dict[str, Tensor]:
    """The pair of blocks and the weight as its train.py combines them; then two pairs, of which its loop keeps the last."""
    blocks = {"encoder_depth": TINY.student_block, "gt_encoder_depth": TINY.teacher_block}
    network = filled(official.layersync_sit.SiT, TINY, **blocks).train()
    transport = official.layersync_transport.create_transport()

    def losses(**options) -> dict[str, Tensor]:
        with fixed_draws(rand=[1 - GIVEN.times, GIVEN.dropout], randn_like=[GIVEN.noise]):
            return transport.training_losses(network, GIVEN.latents, {"y": GIVEN.labels}, **options)

    one, several = losses(loss_type="layer_sync"), losses(loss_type="multiple_sync", multi_blocks=[(1, 3), (2, 4)])
    found = {"layersync/velocity": one["loss"], "layersync/alignment": one["reg"].mean(), "layersync/last of two pairs": several["reg"].mean()}
    return found | gradients("layersync", network, one["loss"].mean() + 0.2 * one["reg"].mean())


def dispersive(official: Official) -> dict[str, Tensor]:
    """Two devices with a batch each, whose gradients are averaged. The function asks for a GPU; here that is the CPU.

    torch: as released, the last block, weight 0.25 and temperature 1 inside.  jax: the settings of the paper's tables, whose code is not public: the
    released function at another block, on features times sqrt(2), which is a temperature of 0.5.
    """
    network = filled(official.dispersive_sit.SiT, TINY).train()
    transport, found = official.dispersive_transport.create_transport(), {}
    with patch.object(torch.Tensor, "cuda", lambda tensor: tensor):
        for name in ("torch", "jax"):
            totals = []
            for device in range(2):
                given, seen = inputs(TINY, device), {}
                hook = network.blocks[0].register_forward_hook(lambda _, __, tokens, seen=seen: seen.update(first=tokens))
                with fixed_draws(rand=[1 - given.times, given.dropout], randn_like=[given.noise]):
                    arguments = {"y": given.labels, "return_act": name == "torch"}
                    loss = transport.training_losses(network, given.latents, arguments)["loss"]
                hook.remove()
                totals.append(loss if name == "torch" else loss + 0.5 * transport.disp_loss(2**0.5 * seen["first"]))
            found[f"dispersive/{name}/loss"] = torch.cat(totals)
            found |= gradients(f"dispersive/{name}", network, torch.cat(totals).mean())
    return found


def irepa(official: Official) -> dict[str, Tensor]:
    """A 3 x 3 convolution as in the paper and README, and a 1 x 1 as by the default of train.py; weight 1 as in configs/irepa.yaml."""
    found = {}
    for kernel in (3, 1):
        conv = {"projection_layer_type": "conv", "proj_kwargs_kernel_size": kernel}
        network = filled(official.irepa_sit.SiT, TINY, **repa_options(TINY), **conv).train()
        loss = official.irepa_loss.SILoss(projection_loss_type="cosine", proj_coeff="1.0")
        for share in (0.6, 1.0):
            targets = official.irepa_utils.SpatialNormalization("zscore")(GIVEN.features, zscore_alpha=share)
            with fixed_draws(rand=[TIMES, GIVEN.dropout], randn_like=[GIVEN.noise]):
                velocity, projection, _ = loss(network, GIVEN.latents, {"y": GIVEN.labels}, zs=[targets])
            found[f"irepa/{kernel}/projection, share {share}"] = projection
            if share == 0.6:
                found |= {f"irepa/{kernel}/velocity": velocity} | gradients(f"irepa/{kernel}", network, velocity.mean() + projection.mean())
    return found


def contrastive(official: Official) -> dict[str, Tensor]:
    """Its three forms. What REPA adds there is left out. Nothing released calls the form that draws from other classes: its flag is not read."""
    network, found = filled(official.contrastive_sit.SiT, TINY, **repa_options(TINY)).train(), {}
    forms = {
        "any": {},
        "any, classes alone": {"dont_contrast_on_unconditional": True, "null_class_idx": CLASSES},
        "other_class": {},
    }
    nth, _ = negatives(~torch.eye(B, dtype=torch.bool))
    _, others = negatives(GIVEN.dropped[:, None] != GIVEN.dropped[None])
    for form, options in forms.items():
        with quiet():
            loss = official.contrastive_loss.TripletSILoss(contrastive_weight=0.05, **options)
        if form == "other_class":
            loss.compute_triplet_loss_efficiently = loss.compute_class_conditioned_triplet_loss
        drawn = {"multinomial": [others.unsqueeze(1)]} if form == "other_class" else {"randint": [nth]}
        with fixed_draws(rand=[TIMES, GIVEN.dropout], randn_like=[GIVEN.noise], **drawn):
            terms, _ = loss(network, GIVEN.latents, {"y": GIVEN.labels}, zs=[GIVEN.features])
        found |= {f"contrastive/{form}/velocity": terms["flow_loss"], f"contrastive/{form}/negative": terms["contrastive_loss"].mean()}
        found |= gradients(f"contrastive/{form}", network, terms["loss"].mean())
    return found


@dataclass(frozen=True)
class DualTimes:
    """Options of one run of DTS + AS. axis: what the cosine is taken along; released code leaves it to torch, which takes the tokens."""

    ratio: float
    teacher: str
    teacher_separated: bool
    student_separated: bool
    two: bool
    axis: str = "tokens"
    gradients: bool = False


# released: scripts/train.sh.  defaults: of arguments.py.
DUAL_TIMES = {
    "released": DualTimes(0.25, "sra", True, True, True, gradients=True),
    "channels": DualTimes(0.25, "sra", True, True, True, axis="channels", gradients=True),
    "defaults": DualTimes(0.5, "self_flow", False, False, True, gradients=True),
    "student separated": DualTimes(0.25, "self_flow", False, True, True),
    "same times": DualTimes(0.25, "same", True, True, True),
    "one time": DualTimes(0.25, "sra", True, True, False),
    "one group": DualTimes(1.0, "sra", False, False, False),
    "uneven": DualTimes(0.3, "sra", True, True, True),
}


def dual_times(official: Official) -> dict[str, Tensor]:
    """Weight 0.5. The teacher gets the labels before dropout."""
    found = {}
    for name, case in DUAL_TIMES.items():
        options = {**sra_options(TINY, sit=True), "use_alignment_head": True, "attention_separation": case.student_separated}
        student = filled(official.dual_times_sit.SiT, TINY, **options).train()
        teacher = filled(official.dual_times_sit.SiT, TINY, "teacher", **options).requires_grad_(False)
        loss = official.dual_times_loss.SRALoss(
            use_align_loss=True,
            block_out_s=TINY.student_block,
            block_out_t=TINY.teacher_block,
            mask_ratio=case.ratio,
            teacher_t=case.teacher,
            teacher_mask=case.teacher_separated,
            dual_time_scheduling=case.two,
        )
        if case.axis == "channels":
            # The released criterion takes axis 1, so here it gets tokens and channels exchanged.
            released = loss.criterion
            loss.criterion = lambda a, b, loss_type, released=released: released(a.transpose(1, 2), b.transpose(1, 2), loss_type)
        with fixed_draws(**draws(case)):
            velocity, alignment = loss(student, GIVEN.latents, teacher, GIVEN.labels, seq_len=TINY.tokens)
        found |= {f"dual_times/{name}/velocity": velocity, f"dual_times/{name}/alignment": alignment.mean()}
        if case.gradients:
            found |= gradients(f"dual_times/{name}", student, velocity.mean() + 0.5 * alignment.mean())
    return found


def draws(case: DualTimes) -> dict[str, list[Tensor]]:
    """In the order in which the official code draws."""
    drawn, grouped = two_times(TINY), case.ratio < 1
    uniform = [*([drawn.groups] if grouped else []), TIMES, *([drawn.second.view(B, 1, 1, 1)] if case.two else []), GIVEN.dropout]
    intervals = [interval.view(B, 1, 1, 1) for interval in drawn.intervals.unbind(1)][: 2 if grouped else 1]
    return {"rand": uniform, "randn_like": [GIVEN.noise], "rand_like": intervals if case.teacher == "sra" else []}


def reg(official: Official) -> dict[str, Tensor]:
    """The three losses, weighed as by train.sh, and in evaluation mode both outputs."""
    network, (summary, noise), found = filled(official.reg_sit.SiT, TINY, **repa_options(TINY)), summaries(TINY), {}
    with torch.no_grad():
        found["reg/output"], _, found["reg/summary"] = network(GIVEN.latents, GIVEN.times, GIVEN.labels, cls_token=summary)
    network.train()
    targets = torch.cat([summary.unsqueeze(1), GIVEN.features], dim=1)
    with fixed_draws(rand=[TIMES, GIVEN.dropout], randn_like=[GIVEN.noise, noise]):
        velocity, projection, _, _, of_summary = official.reg_loss.SILoss()(
            network, GIVEN.latents, {"y": GIVEN.labels}, zs=[targets], cls_token=summary
        )
    found |= {"reg/velocity": velocity, "reg/projection": projection.mean(), "reg/summary loss": of_summary.mean()}
    return found | gradients("reg", network, velocity.mean() + 0.5 * projection.mean() + 0.03 * of_summary.mean())


def reg_counts(official: Official) -> dict[str, Tensor]:
    """Parameters of the published sizes without their projector, which training alone needs."""
    found = {}
    for size, name in SIZES.items():
        # As in REPA's, the released constructor of S leaves the last layer at 768, which cannot run; its width is given.
        width = {"decoder_hidden_size": WIDTHS[size]} if size == "S" else {}
        with torch.device("meta"):
            network: nn.Module = getattr(official.reg_sit, f"SiT_{name}")(fused_attn=True, qk_norm=False, **width)
        found[f"reg/{size}/network"] = torch.tensor(parameters(network) - parameters(network.projectors))
    return found


@contextlib.contextmanager
def quiet():
    """Without what the official code prints."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield
