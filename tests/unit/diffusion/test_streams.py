"""Draws in the order of the released scripts, written out with torch's global generator as the scripts use it."""

import torch

from sra.diffusion.streams import OfficialStream
from sra.spec.samplers import SAMPLER_OF, Guidance, OfficialSeeding

SHAPE, CLASSES, BATCH, PROCESSES, RANK = (4, 2, 2), 10, 3, 4, 2


def stream(kind, evaluations, guidance):
    seeding = OfficialSeeding(processes=PROCESSES, batch=BATCH)
    sampler = SAMPLER_OF[kind](evaluations=evaluations, guidance=guidance, seed=7, official_seeding=seeding)
    return OfficialStream(sampler, RANK, SHAPE, CLASSES, torch.device("cpu"))


def drawn(found, steps):
    """Two batches of `steps` noisy steps each, as `sample` asks for them."""
    for _ in range(2):
        yield from found.begin()
        for _ in range(steps):
            yield found.draw()
        found.end()


def test_generate_py_of_sit():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7 * PROCESSES + RANK)
        expected = []
        for _ in range(2):
            z = torch.randn(BATCH, *SHAPE)
            expected += [z, torch.randint(0, CLASSES, (BATCH,))]
            expected += [torch.randn_like(z.double()) for _ in range(5)]
    ours = list(drawn(stream("sde", 6, Guidance(scale=1.8)), 5))
    assert len(ours) == len(expected)
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(ours, expected, strict=True))


def test_sample_ddp_py_of_dit_draws_for_both_halves_and_for_the_last_step():
    for guidance, copies in ((Guidance(scale=1.5), 2), (Guidance(), 1)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7 * PROCESSES + RANK)
            expected = []
            for _ in range(2):
                z = torch.randn(BATCH, *SHAPE)
                expected += [z, torch.randint(0, CLASSES, (BATCH,))]
                noises = [torch.randn_like(torch.cat([z] * copies)) for _ in range(6)]  # six steps, the last one's noise is masked
                expected += [noise[:BATCH] for noise in noises[:5]]
        ours = list(drawn(stream("ddpm", 6, guidance), 5))
        assert all(torch.equal(a, b) for a, b in zip(ours, expected, strict=True))


def test_the_global_generator_is_left_alone():
    before = torch.random.get_rng_state()
    list(drawn(stream("sde", 3, Guidance()), 2))
    assert torch.equal(torch.random.get_rng_state(), before)
