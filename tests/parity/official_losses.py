"""Official losses and their gradients on the formula's batch: what `ours_losses.py` must give."""

import torch
import torch.nn.functional as F
from checkouts import Official, filled, fixed_draws, repa_options, sra_options
from formula import MAX_INTERVAL, TINY, digests, inputs
from torch import Tensor, nn

EPOCHS = (0, 1, 98, 99, 100, 101, 148, 149, 150, 151, 400, 799)
DISTANCES = {"smooth_l1": "sml1", "l1": "l1", "l2": "l2", "cosine_over_tokens_official": "cos"}
GIVEN = inputs(TINY)
B = TINY.batch


def loss_arrays(official: Official) -> dict[str, Tensor]:
    return {
        **sit_sra(official),
        **dit_sra(official),
        **repa(official),
        **sit(official),
        **dit(official),
        **weights(official),
    }


def sit_sra(official: Official) -> dict[str, Tensor]:
    """Velocity loss of each sample and the alignment under each distance, with gradients of velocity + 0.2 smooth l1."""
    options = sra_options(TINY, sit=True)
    student = filled(official.sra_sit.SiT, TINY, **options).train()
    teacher = filled(official.sra_sit.SiT, TINY, "teacher", **options).requires_grad_(False)
    found = {}
    for ours, theirs in DISTANCES.items():
        loss = official.sra_loss.SRALoss(block_out_s=TINY.student_block, block_out_t=TINY.teacher_block, t_max=MAX_INTERVAL, loss_type=theirs)
        with fixed_draws(rand=[GIVEN.times.view(B, 1, 1, 1), GIVEN.dropout], rand_like=[GIVEN.draw.view(B, 1, 1, 1)], randn_like=[GIVEN.noise]):
            velocity, alignment = loss(student, GIVEN.latents, teacher, GIVEN.labels)
        found[f"sra_sit/{ours}"] = alignment.mean()
        if ours == "smooth_l1":
            found["sra_sit/velocity"] = velocity
            found |= gradients("sra_sit", student, velocity.mean() + 0.2 * alignment.mean())
    return {**found, **cosine_per_token(official, student, teacher)}


def cosine_per_token(official: Official, student: nn.Module, teacher: nn.Module) -> dict[str, Tensor]:
    """No released line compares token by token: the released criterion takes axis 1, so here it gets tokens and channels exchanged."""
    time = GIVEN.times.view(B, 1, 1, 1)
    earlier = (time - MAX_INTERVAL * GIVEN.draw.view(B, 1, 1, 1)).clamp(min=0)
    noisy, less_noisy = ((1 - t) * GIVEN.latents + t * GIVEN.noise for t in (time, earlier))
    with fixed_draws(rand=[GIVEN.dropout]):
        aligned = student(noisy, time.flatten(), GIVEN.labels, ad=TINY.student_block)[1]
    target = teacher(less_noisy, earlier.flatten(), GIVEN.dropped, ad=TINY.teacher_block)[1]
    criterion = official.sra_loss.Simpleloss()
    return {"sra_sit/cosine": criterion(aligned.transpose(1, 2), target.transpose(1, 2), loss_type="cos").mean()}


def dit_sra(official: Official) -> dict[str, Tensor]:
    """The released teacher time stops at 1. For the paper's 0 the same official parts run with another lowest time."""
    options = sra_options(TINY, sit=False)
    student = filled(official.sra_dit.DiT, TINY, **options).train()
    teacher = filled(official.sra_dit.DiT, TINY, "teacher", **options).requires_grad_(False)
    diffusion = official.sra_dit_diffusion.create_diffusion(timestep_respacing="")
    with fixed_draws(rand=[GIVEN.dropout], randint=[GIVEN.interval_steps]):
        terms = diffusion.training_losses(
            student,
            GIVEN.latents,
            GIVEN.steps,
            GIVEN.labels,
            teacher,
            TINY.student_block,
            TINY.teacher_block,
            int(1000 * MAX_INTERVAL),
            noise=GIVEN.noise,
        )
    found = {"sra_dit/loss": terms["loss"], "sra_dit/floor 1": terms["align_loss"]}
    found |= gradients("sra_dit", student, terms["loss"].mean() + 0.04 * terms["align_loss"])

    earlier = (GIVEN.steps - GIVEN.interval_steps).clamp(min=0)
    with fixed_draws(rand=[GIVEN.dropout]):
        noisy = diffusion.q_sample(GIVEN.latents, GIVEN.steps, noise=GIVEN.noise)
        aligned = student(noisy, GIVEN.steps, GIVEN.labels, ad=TINY.student_block)[1]
    less_noisy = diffusion.q_sample(GIVEN.latents, earlier, noise=GIVEN.noise)
    target = teacher(less_noisy, earlier, GIVEN.dropped, ad=TINY.teacher_block)[1]
    found["sra_dit/floor 0"] = F.smooth_l1_loss(aligned, target, beta=0.05)
    return found


def repa(official: Official) -> dict[str, Tensor]:
    network = filled(official.repa_sit.SiT, TINY, **repa_options(TINY)).train()
    with fixed_draws(rand=[GIVEN.times.view(B, 1, 1, 1), GIVEN.dropout], randn_like=[GIVEN.noise]):
        velocity, projection = official.repa_loss.SILoss()(network, GIVEN.latents, {"y": GIVEN.labels}, zs=[GIVEN.features])
    found = {"repa/velocity": velocity, "repa/projection": projection.mean()}
    return found | gradients("repa", network, velocity.mean() + 0.5 * projection.mean())


def sit(official: Official) -> dict[str, Tensor]:
    """willisma/SiT draws the time of data, 1 - t."""
    network = filled(official.sit.SiT, TINY).train()
    transport = official.sit_transport.create_transport()
    with fixed_draws(rand=[1 - GIVEN.times, GIVEN.dropout], randn_like=[GIVEN.noise]):
        return {"sit/velocity": transport.training_losses(network, GIVEN.latents, {"y": GIVEN.labels})["loss"]}


def dit(official: Official) -> dict[str, Tensor]:
    """Hybrid loss, its two terms, and gradients; once over the range of steps and once at step 0 alone, where the likelihood is binned."""
    diffusion, found = official.dit_diffusion.create_diffusion(timestep_respacing=""), {}
    for name, steps in (("", GIVEN.steps), (" at step 0", torch.zeros_like(GIVEN.steps))):
        network = filled(official.dit.DiT, TINY).train()
        with fixed_draws(rand=[GIVEN.dropout]):
            terms = diffusion.training_losses(network, GIVEN.latents, steps, {"y": GIVEN.labels}, noise=GIVEN.noise)
        found |= {f"dit/{term}{name}": terms[term] for term in ("loss", "mse", "vb")}
        found |= gradients(f"dit{name}", network, terms["loss"].mean())
    return found


def weights(official: Official) -> dict[str, Tensor]:
    """The factor of the alignment loss in each of EPOCHS, by family and image size."""
    found = {"epochs": torch.tensor(EPOCHS)}
    for family in ("SiT", "DiT"):
        for resolution in (256, 512):
            factors = [official.weight_of_alignment(f"SRA/{family}-SRA/train.py", resolution, epoch) for epoch in EPOCHS]
            found[f"weight/{family.lower()}/{resolution}"] = torch.tensor(factors, dtype=torch.float64)
    return found


def gradients(code: str, network: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    network.zero_grad()
    loss.backward()
    return {f"{code}/gradients": torch.cat(digests((name, p.grad) for name, p in network.named_parameters() if p.grad is not None))}
