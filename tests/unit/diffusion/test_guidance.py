"""A denoiser that records what it was asked, and the formula of guidance by hand."""

import pytest
import torch

from sra.diffusion.flow import Flow
from sra.diffusion.guidance import Guided
from sra.spec.samplers import Guidance, HeunSampler, SdeSampler

NULL = 10


class Recorder:
    """Output = label + channel number; remembers the labels."""

    def __init__(self, out_channels=4):
        self.out_channels, self.labels = out_channels, []

    def __call__(self, x, timestep, labels):
        self.labels.append(labels.tolist())
        channels = torch.arange(self.out_channels).view(1, -1, 1, 1)
        return (labels.view(-1, 1, 1, 1) + channels).to(x.dtype).expand(-1, -1, *x.shape[2:])


def guided(recorder, device="cpu", **guidance):
    call = Guided(recorder, Guidance(**guidance), torch.tensor(NULL, device=device))
    return lambda time, channels=4: call(
        torch.zeros(2, channels, 1, 1, device=device), torch.full((2,), time), torch.tensor([1, 2], device=device), time
    )


def test_out_is_unconditional_plus_scale_times_difference():
    output = guided(Recorder(), scale=1.5)(0.5)
    for sample, label in enumerate((1, 2)):
        assert output[sample, :, 0, 0].tolist() == [NULL + c + 1.5 * (label - NULL) for c in range(4)]


@pytest.mark.parametrize(
    ("channels", "out", "expected"),
    [
        (4, 4, [True, True, True, False]),
        (4, 8, [True, True, True, False, False, False, False, False]),  # learnt variances are never guided
        (1, 2, [True, False]),
    ],
)
def test_first_three_leaves_the_rest_to_the_condition(channels, out, expected):
    output = guided(Recorder(out), scale=3.0, channels="first_three")(0.5, channels)[0, :, 0, 0].tolist()
    assert output == [(NULL + 3.0 * (1 - NULL) if yes else 1) + c for c, yes in enumerate(expected)]


def test_all_channels_stops_at_the_variances():
    output = guided(Recorder(8), scale=2.0)(0.5)[0, :, 0, 0].tolist()
    assert output == [NULL + c + 2.0 * (1 - NULL) for c in range(4)] + [1 + c for c in range(4, 8)]


def test_it_is_asked_twice_inside_the_interval_alone_ends_included():
    recorder = Recorder()
    call = guided(recorder, scale=1.8, interval=(0.1, 0.7))
    for time in (0.0, 0.1, 0.4, 0.7, 0.71):
        call(time)
    twice = [[1, 2], [NULL, NULL]]
    assert recorder.labels == [[1, 2], *twice, *twice, *twice, [1, 2]]


def test_a_gpu_is_asked_once_for_twice_as_many():
    """On torch's device without data, which is no CPU either: only what is asked can be seen."""
    sizes = []

    def denoise(x, timestep, labels):
        sizes.append((len(x), len(labels)))
        return x

    assert guided(denoise, "meta", scale=1.8)(0.5).shape == (2, 4, 1, 1)
    assert sizes == [(4, 4)]


def test_captions_are_guided_away_from_the_tokens_of_the_empty_one():
    """Conditions of any shape: (B, L, E), null (L, E)."""
    captions = torch.tensor([[[1.0, 2.0]] * 3, [[5.0, 7.0]] * 3])
    nobody = torch.tensor([[10.0, 10.0], [20.0, 20.0], [30.0, 60.0]])
    asked = []

    def denoise(x, timestep, condition):
        asked.append(condition)
        return condition.mean(dim=(1, 2)).view(-1, 1, 1, 1).expand_as(x)

    output = Guided(denoise, Guidance(scale=3.0), nobody)(torch.zeros(2, 1, 1, 1), torch.full((2,), 0.5), captions, 0.5)
    assert torch.equal(torch.cat(asked), torch.cat([captions, nobody[None], nobody[None]]))
    assert output.flatten().tolist() == pytest.approx([25 + 3 * (1.5 - 25), 25 + 3 * (6 - 25)])


def test_scale_one_is_never_asked_twice():
    recorder = Recorder()
    guided(recorder, scale=1.0)(0.5)
    assert recorder.labels == [[1, 2]]


def test_the_papers_sampler_guides_172_of_250_evaluations():
    recorder = Recorder()
    sampler = SdeSampler(evaluations=250, guidance=Guidance(scale=1.8, interval=(0.0, 0.7)))
    noise = torch.zeros(1, 4, 1, 1)
    Flow().sample(recorder, sampler, noise, torch.tensor([1]), torch.tensor(NULL), lambda: noise)
    assert recorder.labels == [[1]] * 78 + [[1], [NULL]] * 172


def test_both_halves_of_a_heun_step_follow_its_first_time():
    recorder = Recorder()
    sampler = HeunSampler(evaluations=7, guidance=Guidance(scale=1.8, interval=(0.5, 1.0)))
    noise = torch.zeros(1, 4, 1, 1)
    Flow().sample(recorder, sampler, noise, torch.tensor([1]), torch.tensor(NULL), lambda: noise)
    # Steps start at 1, 0.75, 0.5 and 0.25; the step from 0.5 looks at 0.25 with guidance too.
    assert recorder.labels == [[1], [NULL]] * 6 + [[1]]


def test_more_guidance_moves_further_from_the_unconditional_output():
    far, near = (guided(Recorder(), scale=scale)(0.5) for scale in (4.0, 1.5))
    unconditional = guided(Recorder(), scale=1.0)(0.5) + NULL - torch.tensor([1.0, 2.0]).view(2, 1, 1, 1)
    assert (far - unconditional).abs().min() > (near - unconditional).abs().max()
