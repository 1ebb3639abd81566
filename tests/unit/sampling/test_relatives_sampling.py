"""Drawing from what the relatives of SRA train: pairs of image and summary, and a velocity without the shift of a contrastive loss."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sra.analysis.features import refuse_unfit
from sra.commands.sample import sample
from sra.core.errors import InputError
from sra.core.files import read_json, write_json
from sra.core.npz import read_npz
from sra.core.receipts import receipt_path, write_receipt
from sra.data.latent_mean import latent_mean_of, write_latent_mean
from sra.diffusion.streams import SampleNoise
from sra.encoders.vae import WEIGHTS, small_network
from sra.models.build import build_model
from sra.sampling.correction import Correction
from sra.sampling.draw import drawn_batches
from sra.sampling.joint import JointNoise, JointState
from sra.sampling.sample_conditions import SampledClasses
from sra.spec.methods.contrastive import ContrastiveOptions
from sra.spec.registry import Registry
from sra.spec.run import contrastive_weight, refuse_sampler
from sra.spec.samplers import Guidance, HeunSampler, OfficialSeeding, SdeSampler
from sra.spec.scale import Latent

ROOT = Path(__file__).parents[3]
CPU = torch.device("cpu")
SUMMARY = 6
SHORT = SdeSampler(evaluations=3, seed=5)


def awake(model):
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval().requires_grad_(False)


@pytest.fixture
def reg(tiny_run):
    """A run whose model has an extra token, and the model."""
    spec = tiny_run("sit_b2")
    spec = spec.model_copy(update={"model": spec.model.model_copy(update={"summary_width": SUMMARY})})
    return spec, awake(build_model(spec.model, seed=0))


def drawn(spec, model, sampler, indices=range(5), batch=2, **options):
    conditions = SampledClasses(spec, sampler, CPU)
    return torch.cat([latents for latents, _ in drawn_batches(spec, model, conditions, sampler, indices, batch, CPU, **options)])


def by_hand(spec, model, sampler, summary_follows_guidance=True):
    """Euler-Maruyama of both states with guidance everywhere, written out for three evaluations."""
    state = JointState((4, spec.model.latent.size, spec.model.latent.size), SUMMARY)
    labels = SampledClasses(spec, sampler, CPU)
    noise, (wanted, _) = JointNoise(sampler.seed, range(5), state), labels.of(range(5))
    image, summary = (part.double() for part in state.parts(noise.draw()))
    times = [*torch.linspace(1, 0.04, 3, dtype=torch.float64).tolist(), 0.0]
    for number, (time, after) in enumerate(pairwise(times)):
        both = []
        for condition in (wanted, torch.full((5,), spec.model.classes)):
            found = model.run(image.float(), torch.full((5,), time), condition, summary=summary.float())
            both.append((found.output.double(), found.summary.double()))
        scale = sampler.guidance.scale
        guided = [without + scale * (with_class - without) for with_class, without in zip(*both, strict=True)]
        if not summary_follows_guidance:
            guided[1] = both[0][1]
        step = after - time
        fresh = state.parts(noise.draw()) if number < 2 else None
        moved = []
        for part, (x, v) in enumerate(zip((image, summary), guided, strict=True)):
            score = -(x + (1 - time) * v) / time
            x = x + step * (v - time * score)
            moved.append(x + (2 * time * -step) ** 0.5 * fresh[part].double() if fresh else x)
        image, summary = moved
    return image.float()


@pytest.mark.parametrize("rule", ["guided", "conditional"])
def test_both_states_are_drawn_with_guidance_of_their_own(reg, rule):
    spec, model = reg
    sampler = SdeSampler(evaluations=3, seed=5, guidance=Guidance(scale=2.3, summary=rule))
    torch.testing.assert_close(drawn(spec, model, sampler), by_hand(spec, model, sampler, rule == "guided"), rtol=1e-4, atol=1e-4)


def test_an_image_does_not_depend_on_batches(reg):
    spec, model = reg
    torch.testing.assert_close(drawn(spec, model, SHORT, batch=5), drawn(spec, model, SHORT, batch=1), rtol=1e-4, atol=1e-4)


def test_the_images_noise_is_that_of_models_without_the_token():
    state = JointState((4, 8, 8), SUMMARY)
    joint, alone = JointNoise(3, range(4), state), SampleNoise(3, range(4), (4, 8, 8))
    for _ in range(2):
        image, summary = state.parts(joint.draw())
        assert torch.equal(image, alone.draw())
        assert summary.std() > 0.3


def test_the_correction_undoes_the_shift_of_the_loss():
    """The minimiser of |v - u|^2 - w |v - u'|^2 at one place, by its closed form, gives the mean velocity back."""
    weight, latents, noise = 0.05, torch.randn(1000, 1, 2, 2), torch.randn(1000, 1, 2, 2)
    velocity = noise - latents
    here = velocity[latents.sum(dim=(1, 2, 3)) > 0].mean(dim=0)  # E[u | some x_t]
    shifted = (here - weight * -latents.mean(dim=0)) / (1 - weight)
    torch.testing.assert_close(Correction(weight, latents.mean(dim=0)).corrected(shifted[None])[0], here)


def test_the_mean_latent_is_that_of_the_posteriors(tiny_stores, tmp_path):
    latents = tiny_stores[0]
    write_latent_mean(latents, tmp_path / "mean.npz")
    mean = latent_mean_of(tmp_path / "mean.npz", Latent(channels=4, size=8))
    expected = latents.rows(np.arange(20))[:, :4].mean(axis=0) * latents.facts["scaling_factor"]
    torch.testing.assert_close(mean, torch.from_numpy(expected))
    with pytest.raises(InputError, match=r"is of latents \(4, 8, 8\), the run's are \(4, 16, 16\)"):
        latent_mean_of(tmp_path / "mean.npz", Latent(channels=4, size=16))


@pytest.fixture
def contrastive(tiny_run, tiny_stores, tmp_path):
    """The files of a contrastive run: config, weights, autoencoder and mean latent."""
    spec = tiny_run("sit_b2").model_copy(update={"alignment": ContrastiveOptions(group=4)})
    write_json(tmp_path / "config.json", {**spec.model_dump(mode="json"), "fingerprint": spec.fingerprint})
    save_file(dict(awake(build_model(spec.model, seed=0)).state_dict()), tmp_path / "weights.safetensors")
    write_receipt(tmp_path / "weights.safetensors", "weights", run=spec.run, fingerprint=spec.fingerprint, step=7)
    torch.manual_seed(0)
    small_network().save_pretrained(tmp_path / "vae")
    write_receipt(tmp_path / "vae" / WEIGHTS, "vae")
    write_latent_mean(tiny_stores[0], tmp_path / "mean.npz")
    return spec, tmp_path


def test_a_corrected_set_is_drawn_with_the_corrected_velocity(contrastive):
    spec, _ = contrastive
    model, mean = awake(build_model(spec.model, seed=0)), torch.randn(4, 8, 8)
    corrected = HeunSampler(evaluations=3, seed=5, velocity="corrected")

    class Shifted(torch.nn.Module):
        """The same network, its output already corrected."""

        def __init__(self):
            super().__init__()
            self.t_embedder, self.embed_condition = model.t_embedder, model.embed_condition

        def predict(self, x, time, condition):
            return 0.95 * model.predict(x, time, condition) - 0.05 * mean

    expected = drawn(spec, Shifted(), corrected.model_copy(update={"velocity": "raw"}))
    torch.testing.assert_close(drawn(spec, model, corrected, latent_mean=mean), expected)


def test_the_command_asks_for_the_mean_and_records_it(contrastive):
    _, folder = contrastive
    given = {"config": folder / "config.json", "device": "cpu"}
    raw, corrected = (SHORT.model_copy(update={"velocity": rule}).model_dump_json() for rule in ("raw", "corrected"))
    weights, vae = folder / "weights.safetensors", str(folder / "vae")
    with pytest.raises(InputError, match=r"needs the mean of its training latents; give --latent-mean, made by sra latent-mean"):
        sample(weights, vae, corrected, 2, folder / "out.npz", **given)
    with pytest.raises(InputError, match="is for samplers of a corrected velocity alone"):
        sample(weights, vae, raw, 2, folder / "out.npz", latent_mean=folder / "mean.npz", **given)
    sample(weights, vae, corrected, 2, folder / "corrected.npz", latent_mean=folder / "mean.npz", **given)
    sample(weights, vae, raw, 2, folder / "raw.npz", **given)
    assert not np.array_equal(read_npz(folder / "corrected.npz")["arr_0"], read_npz(folder / "raw.npz")["arr_0"])
    assert "latent_mean" in read_json(receipt_path(folder / "corrected.npz"))["made_from"]
    assert "velocity" not in read_json(receipt_path(folder / "raw.npz"))["facts"]["sampler"]


def test_what_cannot_be_corrected_is_refused_when_it_is_planned():
    registry = Registry(ROOT, "digits")
    registry.refuse_unfit("sde250_corrected", "sit_b2_contrastive")
    with pytest.raises(InputError, match=r"run sit_b2_sra, sampler sde250_corrected: .*give a sampler of raw velocity"):
        registry.refuse_unfit("sde250_corrected", "sit_b2_sra")
    spec = registry.spec("sit_b2_contrastive")
    stopped = spec.model_copy(update={"alignment": spec.alignment.model_copy(update={"stop_step": 1000})})
    with pytest.raises(InputError, match="knows no weight that stopped"):
        contrastive_weight(stopped)


def test_what_is_not_defined_for_pairs_of_image_and_summary_is_refused(reg):
    spec, _ = reg
    for sampler, what in (
        (SdeSampler(evaluations=3, guidance=Guidance(scale=1.5, channels="first_three")), "guidance of three channels"),
        (SdeSampler(evaluations=3, official_seeding=OfficialSeeding()), "official_seeding"),
    ):
        with pytest.raises(InputError, match=f"draws an image and a summary together, for which {what} is not defined"):
            refuse_sampler(sampler, spec)
    with pytest.raises(InputError, match="its model has an extra token"):
        refuse_unfit(spec, [1])
