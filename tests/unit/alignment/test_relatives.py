"""Values of the relatives of SRA worked out by hand, and where their gradients go.

The hand-made features are two samples of two tokens of width two: A = [[1, 0], [0, 2]], [[1, 1], [2, 0]] and B = [[0, 1], [1, 1]], [[1, 0], [2, 2]].
"""

from dataclasses import replace
from math import exp, log, sqrt

import pytest
import torch

from sra.alignment.base import StudentPass
from sra.alignment.contrastive import negatives
from sra.alignment.dispersive import dispersion, squared_distances
from sra.alignment.repa import spatially_normalised
from sra.diffusion.batch import NoisyBatch
from sra.diffusion.flow import Flow
from sra.encoders.targets import Targets
from sra.models.patches import patches_of
from sra.spec.methods.contrastive import ContrastiveOptions
from sra.spec.methods.dispersive import DispersiveOptions
from sra.spec.methods.layersync import LayerSyncOptions
from sra.spec.methods.repa import IrepaOptions
from sra.spec.methods.sra2 import Sra2Options

A = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[1.0, 1.0], [2.0, 0.0]]])
B = torch.tensor([[[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [2.0, 2.0]]])


def seen(features=None, output=None, batch=None, draws=None, tokens=None):
    return StudentPass(batch, features or {}, output, None, draws or {}, None if tokens is None else Targets(tokens))


def flow_batch(latents, noise, condition=None):
    count = len(latents)
    return NoisyBatch(latents, noise, torch.full((count,), 0.5), torch.arange(count) if condition is None else condition, Flow())


class TestLayerSync:
    def test_value(self, built):
        loss = built(LayerSyncOptions(student_block=1, target_block=3)).loss(seen({1: A, 3: B}))
        assert loss.item() == pytest.approx(1 - 0.530330, abs=1e-6)

    def test_the_target_gets_no_gradient(self, built):
        early, late = A.clone().requires_grad_(), B.clone().requires_grad_()
        built(LayerSyncOptions(student_block=1, target_block=3)).loss(seen({1: early, 3: late})).backward()
        assert early.grad.any()
        assert late.grad is None

    def test_a_block_is_no_target_of_itself(self):
        with pytest.raises(ValueError, match="student_block 8 is not before target_block 8"):
            LayerSyncOptions(student_block=8, target_block=8)


class TestDispersive:
    @pytest.mark.parametrize(("temperature", "value"), [(0.5, -0.682099), (1.0, -0.592941)])
    def test_value(self, built, temperature, value):
        loss = built(DispersiveOptions(block=1, temperature=temperature, group=2)).loss(seen({1: A}))
        assert loss.item() == pytest.approx(value, abs=1e-6)

    def test_value_without_the_diagonal(self, built):
        loss = built(DispersiveOptions(block=1, temperature=1, group=2, diagonal="dropped")).loss(seen({1: A}))
        assert loss.item() == pytest.approx(-9 / 4, abs=1e-6)

    def test_mean_tokens(self, built):
        loss = built(DispersiveOptions(block=1, temperature=1, group=2, tokens="mean")).loss(seen({1: A}))
        squared = (0.5 - 1.5) ** 2 + (1 - 0.5) ** 2
        assert loss.item() == pytest.approx(log((2 + 2 * exp(-squared / 2)) / 4), abs=1e-6)

    def test_every_sample_gets_gradient(self, built):
        features = A.clone().requires_grad_()
        built(DispersiveOptions(block=1, group=2)).loss(seen({1: features})).backward()
        assert features.grad.flatten(1).any(dim=1).all()

    def test_groups_are_apart(self, built):
        """A batch of two groups is the mean of both, and what one holds does not move the other's gradient."""
        alignment, features = built(DispersiveOptions(block=1, group=2)), torch.cat([A, B]).requires_grad_()
        whole = alignment.loss(seen({1: features}))
        halves = [alignment.loss(seen({1: part})) for part in (A, B)]
        torch.testing.assert_close(whole, sum(halves) / 2)

    def test_alone_it_is_nothing_and_far_apart_minus_log_of_the_group(self):
        assert dispersion(torch.randn(3, 1, 8), 0.5, diagonal=True).abs().max() < 1e-6
        assert dispersion(1e3 * torch.randn(2, 4, 8), 0.5, diagonal=True).tolist() == pytest.approx([-log(4)] * 2)

    def test_distances_are_those_of_the_definition(self):
        vectors = torch.randn(2, 5, 64) + 30
        expected = (vectors.unsqueeze(2) - vectors.unsqueeze(1)).square().sum(dim=3)
        torch.testing.assert_close(squared_distances(vectors), expected, rtol=1e-4, atol=1e-4)


class TestSra2:
    def test_value(self, built):
        """Smooth l1 with beta 0.05 of a prediction that is given."""
        alignment = built(Sra2Options(block=1))
        predicted = torch.tensor([0.02, -0.1, 0.5, 0.0]).view(1, 1, 4)
        target = torch.tensor([0.0, 0.0, 0.46, 0.2]).view(1, 1, 4)
        assert alignment.distance(predicted, target).item() == pytest.approx(0.0675, abs=1e-7)

    def test_patches_are_in_the_order_of_the_final_layer(self):
        assert patches_of(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 2).tolist() == [[[1, 2, 3, 4]]]
        two_channels = torch.arange(32.0).view(1, 2, 4, 4)
        assert patches_of(two_channels, 2)[0, 1].tolist() == [2, 18, 3, 19, 6, 22, 7, 23]

    @pytest.mark.parametrize("predicts", ["latent", "velocity"])
    def test_it_learns_what_it_says(self, built, predicts):
        alignment = built(Sra2Options(block=1, predicts=predicts))
        latents, noise, features = torch.randn(4, 4, 8, 8), torch.randn(4, 4, 8, 8), torch.randn(4, 16, 32)
        expected = patches_of(latents if predicts == "latent" else noise - latents, 2)
        loss = alignment.loss(seen({1: features}, batch=flow_batch(latents, noise)))
        torch.testing.assert_close(loss, alignment.distance(alignment.head(features), expected))

    def test_the_mean_of_the_posterior_is_read_where_it_is_asked_for(self, built):
        assert built(Sra2Options(block=1)).reads == frozenset()
        alignment, mean, features = built(Sra2Options(block=1, latent="mean")), torch.randn(4, 4, 8, 8), torch.randn(4, 16, 32)
        assert alignment.reads == {"latent_mean"}
        batch = NoisyBatch(torch.zeros_like(mean), torch.zeros_like(mean), torch.zeros(4), torch.zeros(4), Flow(), mean)
        torch.testing.assert_close(
            alignment.loss(seen({1: features}, batch=batch)), alignment.distance(alignment.head(features), patches_of(mean, 2))
        )

    @pytest.mark.parametrize("latent", ["sample", "mean"])
    def test_unit_is_less_the_channels_mean_and_over_its_deviation(self, built, latent):
        alignment, features = built(Sra2Options(block=1, scale="unit", latent=latent)), torch.randn(4, 16, 32)
        assert "channels" in alignment.reads
        latents, mean = torch.randn(4, 4, 8, 8), torch.randn(4, 4, 8, 8)
        channels = torch.tensor([[0.0, 1.0, -2.0, 0.5], [1.0, 2.0, 0.25, 4.0]])
        batch = replace(flow_batch(latents, torch.zeros_like(latents)), latent_mean=mean, channels=channels.expand(4, -1, -1))
        read = latents if latent == "sample" else mean
        expected = torch.stack([(read[:, place] - channels[0, place]) / channels[1, place] for place in range(4)], dim=1)
        loss = alignment.loss(seen({1: features}, batch=batch))
        torch.testing.assert_close(loss, alignment.distance(alignment.head(features), patches_of(expected, 2)))

    def test_a_velocity_is_not_standardised(self):
        with pytest.raises(ValueError, match="leave out scale, or give predicts: latent"):
            Sra2Options(block=1, scale="unit", predicts="velocity")

    def test_runs_from_before_the_option_stay_what_they_are(self):
        assert "scale" not in Sra2Options(block=1).model_dump()

    def test_its_head_has_five_layers_of_twice_the_width(self, built):
        shapes = [tuple(layer.weight.shape) for layer in built(Sra2Options(block=1)).head if hasattr(layer, "weight")]
        assert shapes == [(64, 32), (64, 64), (64, 64), (64, 64), (16, 64)]


class TestIrepa:
    TARGET = torch.tensor([[[1.0, 0.0], [3.0, 2.0], [5.0, 1.0]]])  # mean (3, 1), deviation (2, 1)
    PROJECTED = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]])

    @pytest.mark.parametrize(("share", "value"), [(0.6, -0.407312), (1.0, -0.333333)])
    def test_value(self, share, value):
        target = spatially_normalised(self.TARGET.double(), share, "unbiased")
        loss = -torch.nn.functional.cosine_similarity(self.PROJECTED.double(), target, dim=2).mean()
        assert loss.item() == pytest.approx(value, abs=6e-7)

    def test_the_papers_deviation_is_over_all_tokens(self):
        normal = spatially_normalised(self.TARGET, 1.0, "paper")
        assert normal[0, 0].tolist() == pytest.approx([-2 / sqrt(8 / 3), -1 / sqrt(2 / 3)], rel=1e-5)

    def test_its_projector_is_one_convolution_over_the_square(self, built):
        alignment, features = built(IrepaOptions(block=1), encoder_width=24), torch.randn(2, 16, 32)
        convolved = alignment.projector.conv(features.view(2, 4, 4, 32).permute(0, 3, 1, 2))
        assert torch.equal(alignment.projector(features).view(2, 4, 4, 24), convolved.permute(0, 2, 3, 1))
        assert sum(parameter.numel() for parameter in alignment.parameters()) == 9 * 32 * 24 + 24

    def test_gradients_reach_the_student_and_the_projector(self, built):
        alignment, features = built(IrepaOptions(block=1), encoder_width=24), torch.randn(2, 16, 32, requires_grad=True)
        alignment.loss(seen({1: features}, tokens=torch.randn(2, 16, 24))).backward()
        assert features.grad.any()
        assert all(parameter.grad.any() for parameter in alignment.parameters())


class TestContrastive:
    def hand_made(self):
        """Outputs v = (1, 0), (0, 1) and velocities u = (0.5, 0), (0, 2)."""
        latents = torch.zeros(2, 1, 1, 2)
        velocity = torch.tensor([[0.5, 0.0], [0.0, 2.0]]).view(2, 1, 1, 2)
        return flow_batch(latents, velocity), torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(2, 1, 1, 2)

    def test_value(self, built):
        batch, output = self.hand_made()
        alignment = built(ContrastiveOptions(group=2))
        negative = alignment.loss(seen(output=output, batch=batch, draws={"negative": torch.tensor([0.3, 0.9])}))
        positive = batch.process.loss(output, batch).mean()
        assert (positive.item(), negative.item()) == pytest.approx((0.3125, -1.5625), abs=1e-7)
        assert (positive + alignment.weight(0) * negative).item() == pytest.approx(0.234375, abs=1e-7)

    def test_a_constant_velocity_is_its_own_best_answer(self, built):
        """With u the same for all, the gradient of (1 - weight) |v - u|^2 vanishes at v = u alone."""
        velocity = torch.full((2, 1, 1, 2), 0.7)
        batch, output = flow_batch(torch.zeros(2, 1, 1, 2), velocity), velocity.clone().requires_grad_()
        alignment = built(ContrastiveOptions(group=2))
        negative = alignment.loss(seen(output=output, batch=batch, draws={"negative": torch.rand(2)}))
        (batch.process.loss(output, batch).mean() + 0.05 * negative).backward()
        assert not output.grad.any()

    def test_a_negative_is_any_other_of_the_group_and_as_often(self):
        allowed = ~torch.eye(4, dtype=torch.bool).expand(2, -1, -1)
        draws = torch.rand(8, 3000, generator=torch.Generator().manual_seed(0))
        chosen = torch.stack([negatives(draw, allowed) for draw in draws.T])
        for place in range(8):
            others = [other for other in range(4 * (place // 4), 4 * (place // 4) + 4) if other != place]
            counts = torch.bincount(chosen[:, place], minlength=8)
            assert counts.nonzero().flatten().tolist() == others
            assert (counts[others] / 3000 - 1 / 3).abs().max() < 0.04

    def test_negatives_of_other_classes(self, built):
        alignment = built(ContrastiveOptions(group=4, negatives="other_class"))
        allowed = alignment.allowed(torch.tensor([0, 0, 1, 2, 3, 3, 3, 3]))
        assert allowed[0].int().tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0]]
        assert not allowed[1].any()
        assert negatives(torch.rand(8), allowed)[4:].tolist() == [4, 5, 6, 7]  # none: its own, which is then not counted

    def test_a_sample_without_a_negative_does_not_count(self, built):
        alignment = built(ContrastiveOptions(group=2, negatives="other_class"))
        batch, output = self.hand_made()
        same = NoisyBatch(batch.latents, batch.noise, batch.timestep, torch.tensor([4, 4]), batch.process)
        assert alignment.loss(seen(output=output, batch=same, draws={"negative": torch.rand(2)})).item() == 0

    def test_dropped_classes_can_be_left_out_of_the_mean(self, built):
        batch, output = self.hand_made()
        dropped = NoisyBatch(batch.latents, batch.noise, batch.timestep, torch.tensor([10, 3]), batch.process)
        loss = built(ContrastiveOptions(group=2, contrast_null=False)).loss(seen(output=output, batch=dropped, draws={"negative": torch.rand(2)}))
        assert loss.item() == pytest.approx(-(0.5**2 + 1) / 2)

    @pytest.mark.parametrize(("changes", "match"), [({"weight": 1.0}, "from 1 on the loss has no minimum"), ({"group": 1}, "give 2 or more")])
    def test_what_has_no_minimum_or_no_negative_is_refused(self, changes, match):
        with pytest.raises(ValueError, match=match):
            ContrastiveOptions(**changes)


def test_every_method_can_stop(built):
    for options in (LayerSyncOptions(student_block=1, target_block=2), DispersiveOptions(block=1), Sra2Options(block=1), ContrastiveOptions()):
        stopping = options.model_copy(update={"stop_step": 250_000})
        alignment = built(stopping, paper_steps_per_step=1.0)
        assert (alignment.weight(249_999), alignment.weight(250_000)) == (options.weight, 0)
        assert built(options).weight(10**7) == options.weight
