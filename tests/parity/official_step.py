"""Three steps of official training on SiT + SRA: a batch, loss, gradients, clip, AdamW, average. What `ours_step.py` must give."""

from dataclasses import dataclass

import torch
from checkouts import Official, filled, fixed_draws, sra_options
from formula import MAX_INTERVAL, POSTERIOR_SCALE, TINY, digests, inputs, moments, without_key_biases
from torch import Tensor

STEPS = 3


@dataclass(frozen=True)
class Course:
    """As released, or with moves so large that clipping and averaging show. The gradients grow with the latents."""

    learning_rate: float | None  # None: as released
    ema_decay: float | None
    latents: float  # factor


COURSES = {"released": Course(None, None, 1.0), "large": Course(3e-4, 0.9, 8.0)}


def step_arrays(official: Official) -> dict[str, Tensor]:
    """Settings are the defaults of SiT-SRA/train.py; the three steps of a course see three batches."""
    script = "SRA/SiT-SRA/train.py"
    with fixed_draws(randn_like=[inputs(TINY).noise]):
        latents = official.function(script, "sample_posterior")(moments(), latents_scale=POSTERIOR_SCALE, latents_bias=0.0)
    settings = official.function(script, "parse_args")(["--exp-name", "parity"])
    update_ema = official.function(script, "update_ema")
    found = {"batch/latents": latents}
    for name, course in COURSES.items():
        options = sra_options(TINY, sit=True)
        student = filled(official.sra_sit.SiT, TINY, **options).train()
        teacher = filled(official.sra_sit.SiT, TINY, "teacher", **options).requires_grad_(False)
        loss = official.sra_loss.SRALoss(block_out_s=TINY.student_block, block_out_t=TINY.teacher_block, t_max=MAX_INTERVAL, loss_type="sml1")
        optimizer = torch.optim.AdamW(
            student.parameters(),
            lr=course.learning_rate or settings.learning_rate,
            betas=(settings.adam_beta1, settings.adam_beta2),
            weight_decay=settings.adam_weight_decay,
            eps=settings.adam_epsilon,
        )
        decay = {} if course.ema_decay is None else {"decay": course.ema_decay}
        norms = []
        for step in range(STEPS):
            given = inputs(TINY, step)
            time, draw = given.times.view(-1, 1, 1, 1), given.draw.view(-1, 1, 1, 1)
            with fixed_draws(rand=[time, given.dropout], rand_like=[draw], randn_like=[given.noise]):
                velocity, alignment = loss(student, course.latents * given.latents, teacher, given.labels)
            (velocity.mean() + official.weight_of_alignment(script, 256, 0) * alignment.mean()).backward()
            norms.append(torch.nn.utils.clip_grad_norm_(student.parameters(), settings.max_grad_norm))
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            update_ema(teacher, student, **decay)
        found[f"{name}/norms"] = torch.stack(norms)
        trained = {key: weight for key, weight in student.named_parameters() if key != "pos_embed"}
        # The teacher's head is never read.
        averaged = [(key, weight) for key, weight in teacher.named_parameters() if key in trained and not key.startswith("ap_head.")]
        found[f"{name}/weights"] = torch.cat(digests(without_key_biases(trained.items())))
        found[f"{name}/average"] = torch.cat(digests(without_key_biases(averaged)))
        moments_of = {key: optimizer.state[weight]["exp_avg"] for key, weight in trained.items()}
        found[f"{name}/first moments"] = torch.cat(digests(without_key_biases(moments_of.items())))
    return found
