"""Official samplers, 250 steps each, on small networks: what `ours_samplers.py` must give."""

from collections.abc import Callable
from functools import partial

import torch
from checkouts import Official, filled, repa_options, replaced, sra_options
from formula import CLASSES, SAMPLER_STEPS, TINY, StepNoise, starting_noise, steadied
from torch import Tensor

# name -> (scale, lowest time, highest time); both ends belong to the interval
GUIDANCES = {"unguided": (1.0, 0.0, 1.0), "guided": (1.8, 0.0, 0.7), "guided inside": (1.8, 0.1, 0.7)}


@torch.no_grad()
def sampler_arrays(official: Official) -> dict[str, Tensor]:
    return {**flow_with_interval(official), **flow_of_sit(official), **ddpm(official)}


def flow_with_interval(official: Official) -> dict[str, Tensor]:
    """SRA's and REPA's samplers; the state is float64 there. Heun's --num-steps counts steps of two evaluations, the last of one."""
    noise, labels = starting_noise()
    codes = {
        "sra": (official.sra_samplers, filled(official.sra_sit.SiT, TINY, **sra_options(TINY, sit=True))),
        "repa": (official.repa_samplers, filled(official.repa_sit.SiT, TINY, **repa_options(TINY))),
    }
    found = {}
    for code, (samplers, network) in codes.items():
        kinds = {
            "sde": (samplers.euler_maruyama_sampler, SAMPLER_STEPS, False),
            "ode_euler": (samplers.euler_sampler, SAMPLER_STEPS, False),
            "ode_heun": (samplers.euler_sampler, SAMPLER_STEPS // 2, True),
        }
        for kind, (sample, steps, heun) in kinds.items():
            for name, (scale, low, high) in GUIDANCES.items():
                draw = StepNoise()
                with replaced("randn_like", lambda like, draw=draw: draw().to(like.dtype)):
                    found[f"{code}/{kind}/{name}"] = sample(
                        network, noise, labels, num_steps=steps, heun=heun, cfg_scale=scale, guidance_low=low, guidance_high=high
                    )
    return found


def flow_of_sit(official: Official) -> dict[str, Tensor]:
    """willisma/SiT's SDE with the `sigma` diffusion and guidance on three channels; the state is float32 there."""
    noise, labels = starting_noise()
    network = filled(official.sit.SiT, TINY)
    transport = official.sit_transport
    sample = transport.Sampler(transport.create_transport()).sample_sde(diffusion_form="sigma", num_steps=SAMPLER_STEPS)
    draw = StepNoise()
    with replaced("randn", lambda *_: torch.cat([draw()] * 2)):
        states = sample(torch.cat([noise] * 2), network.forward_with_cfg, y=doubled(labels), cfg_scale=1.5)
    return {"sit/sde/first_three": states[-1].chunk(2)[0]}


def ddpm(official: Official) -> dict[str, Tensor]:
    noise, labels = starting_noise()
    codes = {
        "dit": (official.dit_diffusion, filled(official.dit.DiT, TINY)),
        "sra": (official.sra_dit_diffusion, filled(official.sra_dit.DiT, TINY, **sra_options(TINY, sit=False))),
    }
    found = {}
    for code, (package, network) in codes.items():
        chain = package.create_diffusion(str(SAMPLER_STEPS))
        plain = network.forward if code == "dit" else network.forward_without_cfg
        runs = {
            "unguided": (plain, noise, {"y": labels}),
            "first_three": (network.forward_with_cfg, torch.cat([noise] * 2), {"y": doubled(labels), "cfg_scale": 1.5}),
        }
        for name, (denoise, state, arguments) in runs.items():
            draw = StepNoise()
            with replaced("randn_like", lambda like, draw=draw: torch.cat([draw()] * (len(like) // len(noise)))):
                drawn = chain.p_sample_loop(partial(steady, denoise), state.shape, state, clip_denoised=False, model_kwargs=arguments, device="cpu")
            found[f"{code}/ddpm/{name}"] = drawn[: len(noise)]
        found[f"{code}/chain"] = torch.tensor(sorted(chain.use_timesteps))
    return found


def steady(denoise: Callable[..., Tensor], x: Tensor, *given, **named) -> Tensor:
    return steadied(denoise(x, *given, **named), x)


def doubled(labels: Tensor) -> Tensor:
    return torch.cat([labels, torch.full_like(labels, CLASSES)])
