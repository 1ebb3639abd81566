"""The relatives that change what the student sees or read more of an encoder than its tokens: values by hand, and who sees what."""

from dataclasses import replace

import pytest
import torch

from sra.alignment.attention import AttentionAlignment, attention_cross_entropy
from sra.alignment.base import StudentPass
from sra.alignment.summary import SummaryAlignment
from sra.alignment.two_times import TwoTimesAlignment, group_sizes
from sra.alignment.weight_schedule import WeightSchedule
from sra.core.errors import InputError
from sra.diffusion.batch import NoisyBatch
from sra.diffusion.flow import Flow
from sra.encoders.targets import Targets
from sra.spec.methods.attention import AttentionOptions
from sra.spec.methods.base import FAMILY_NAMES
from sra.spec.methods.combined import combination
from sra.spec.methods.contrastive import ContrastiveOptions
from sra.spec.methods.dispersive import DispersiveOptions
from sra.spec.methods.layersync import LayerSyncOptions
from sra.spec.methods.repa import RepaOptions
from sra.spec.methods.summary import SummaryOptions
from sra.spec.methods.two_times import DualTimesOptions, SelfFlowOptions
from sra.spec.run import ModelSpec
from sra.spec.scale import Carrier, Latent, Width

MODEL = ModelSpec(name="SiT-B/2", depth=4, width=32, heads=4, patch=1, latent=Latent(channels=1, size=2), classes=10, learns_variance=False)


def seen(features=None, output=None, batch=None, draws=None, tokens=None):
    return StudentPass(batch, features or {}, output, None, draws or {}, None if tokens is None else Targets(tokens))


def flow_batch(latents, noise, condition=None):
    count = len(latents)
    return NoisyBatch(latents, noise, torch.full((count,), 0.5), torch.arange(count) if condition is None else condition, Flow())


class TestTwoTimes:
    def by_hand(self, options):
        """Four tokens of one number each (patch 1): latents 1, 2, 3, 4, noise 0, 1, -1, 2, groups 0, 1, 1, 0, times 0.8 and 0.3."""
        latents = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 2, 2)
        noise = torch.tensor([0.0, 1.0, -1.0, 2.0]).view(1, 1, 2, 2)
        batch = NoisyBatch(latents, noise, torch.tensor([0.8]), torch.tensor([3]), Flow(), undropped=torch.tensor([3]))
        alignment = TwoTimesAlignment(options, MODEL, WeightSchedule(0.5))
        # The two smallest draws are group 0.
        draws = {"groups": torch.tensor([[0.1, 0.9, 0.8, 0.2]]), "second_time": torch.tensor([0.3])}
        return alignment, alignment.prepare(batch, draws, None)

    OPTIONS = DualTimesOptions(student_block=1, teacher_block=2, ratio=0.5)

    def test_each_token_is_noised_at_the_time_of_its_group(self):
        _, batch = self.by_hand(self.OPTIONS)
        assert batch.groups.tolist() == [[0, 1, 1, 0]]
        assert batch.noisy.flatten().tolist() == pytest.approx([0.2, 1.7, 1.8, 2.4])
        assert batch.process.target(batch).flatten().tolist() == [-1, -1, -4, -2]

    def test_the_teacher_of_self_flow_sees_the_earlier_time_everywhere(self):
        alignment, batch = self.by_hand(SelfFlowOptions(student_block=1, teacher_block=2, ratio=0.5))
        shown = alignment.shown_to_teacher(batch, torch.rand(1, 2))
        assert shown.groups is None
        assert shown.noisy.flatten().tolist() == pytest.approx([0.7, 1.7, 1.8, 3.4])

    def test_a_separated_teacher_stays_so_at_the_earlier_time(self):
        alignment, batch = self.by_hand(self.OPTIONS.model_copy(update={"teacher_times": "minimum"}))
        shown = alignment.shown_to_teacher(batch, torch.rand(1, 2))
        assert shown.separated
        assert shown.timestep.tolist() == [pytest.approx([0.3, 0.3])]
        assert shown.noisy.flatten().tolist() == pytest.approx([0.7, 1.7, 1.8, 3.4])

    def test_own_times_are_earlier_by_a_draw_each(self):
        alignment, batch = self.by_hand(self.OPTIONS)
        shown = alignment.shown_to_teacher(batch, torch.tensor([[0.5, 0.25]]))  # k = 0.1 and 0.05
        assert shown.timestep.tolist() == [pytest.approx([0.7, 0.25])]
        assert shown.noisy.flatten().tolist() == pytest.approx([0.3, 1.75, 2.0, 2.6])
        assert shown.separated

    def test_time_stops_at_zero(self):
        alignment, batch = self.by_hand(self.OPTIONS)
        early = replace(batch, timestep=torch.tensor([[0.05, 0.3]]))
        assert alignment.shown_to_teacher(early, torch.tensor([[0.5, 0.0]])).timestep.tolist() == [pytest.approx([0.0, 0.3])]

    @pytest.mark.parametrize(
        ("changes", "grouped", "student_separated", "teacher_separated"),
        [
            ({}, True, True, True),
            ({"separation": "student"}, True, True, False),
            ({"separation": "none"}, True, False, False),
            ({"separation": "none", "times": "one"}, False, False, False),
        ],
    )
    def test_who_is_separated(self, changes, grouped, student_separated, teacher_separated):
        alignment, batch = self.by_hand(self.OPTIONS.model_copy(update=changes))
        assert (batch.groups is not None, batch.separated) == (grouped, student_separated)
        assert alignment.shown_to_teacher(batch, torch.zeros(1, 2)).separated == teacher_separated

    def test_with_one_time_both_groups_have_the_runs_own(self):
        _, batch = self.by_hand(self.OPTIONS.model_copy(update={"times": "one"}))
        assert batch.timestep.tolist() == [pytest.approx([0.8, 0.8])]

    @pytest.mark.parametrize(("tokens", "ratio", "sizes"), [(256, 0.25, (64, 192)), (256, 0.5, (128, 128)), (16, 0.1, (2, 14)), (16, 0.03, (0, 16))])
    def test_sizes(self, tokens, ratio, sizes):
        assert group_sizes(tokens, ratio) == sizes

    def test_the_teacher_is_told_the_classes_before_dropout_or_the_students(self, built):
        told = []

        class Teacher:
            def features(self, x, timestep, condition, until, groups):
                told.append((condition.tolist(), until, groups.separated))
                return torch.zeros(len(x), 16, 32)

        batch = flow_batch(torch.zeros(4, 4, 8, 8), torch.zeros(4, 4, 8, 8), torch.full((4,), 10))
        batch = replace(batch, undropped=torch.tensor([1, 2, 3, 4]))
        draws = {"groups": torch.rand(4, 16), "second_time": torch.rand(4), "intervals": torch.rand(4, 2)}
        for rule in ("undropped", "shared"):
            alignment = built(DualTimesOptions(student_block=1, teacher_block=3, teacher_labels=rule))
            prepared = alignment.prepare(batch, draws, None)
            alignment.loss(StudentPass(prepared, {1: torch.randn(4, 16, 32)}, None, Teacher(), draws))
        assert told == [([1, 2, 3, 4], 3, True), ([10] * 4, 3, True)]
        assert built(DualTimesOptions(student_block=1, teacher_block=3)).reads == {"undropped"}


class TestAttention:
    TARGET = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    STUDENT = torch.tensor([[0.0, 0.0], [1.0, 0.0]])

    def test_value(self):
        student, target = (logits.view(1, 1, 2, 2) for logits in (self.STUDENT, self.TARGET))
        assert attention_cross_entropy(student, target).item() == pytest.approx(0.943603, abs=1e-6)
        rows = [attention_cross_entropy(student[:, :, row : row + 1], target[:, :, row : row + 1]).item() for row in (0, 1)]
        assert rows == pytest.approx([0.693147, 1.194059], abs=1e-6)

    def test_the_first_heads_are_compared(self):
        student, target = torch.randn(2, 4, 5, 5), torch.randn(2, 3, 5, 5)
        assert torch.equal(attention_cross_entropy(student, target), attention_cross_entropy(student[:, :3], target))

    def test_it_does_not_underflow(self):
        student, target = torch.tensor([[[[0.0, -300.0]]]]), torch.tensor([[[[0.0, 0.0]]]])
        assert attention_cross_entropy(student, target).item() == pytest.approx(150)

    def test_blocks_are_paired_with_the_last_of_the_encoder(self):
        alignment = AttentionAlignment(AttentionOptions(first_block=2, last_block=3), MODEL, WeightSchedule(0.5))
        logits = {block: torch.randn(2, 4, 5, 5) for block in (2, 3)}
        given = tuple(torch.randn(2, 4, 5, 5) for _ in range(6))
        loss = alignment.loss(replace(seen(), attention=logits, targets=Targets(attention=given)))
        expected = (attention_cross_entropy(logits[2], given[4]) + attention_cross_entropy(logits[3], given[5])) / 2
        torch.testing.assert_close(loss, expected)

    def test_a_shallow_encoder_is_refused(self):
        alignment = AttentionAlignment(AttentionOptions(first_block=1, last_block=3), MODEL, WeightSchedule(0.5))
        with pytest.raises(InputError, match="encoder dinov2b: has 2 blocks, the run aligns the attention of 3; give a deeper encoder"):
            alignment.loss(replace(seen(), targets=Targets(attention=(torch.zeros(1, 1, 2, 2),) * 2)))

    def test_gradients_reach_the_student_alone(self):
        student, target = torch.randn(1, 2, 3, 3, requires_grad=True), torch.randn(1, 2, 3, 3)
        attention_cross_entropy(student, target).backward()
        assert student.grad.any()


class TestSummary:
    def by_hand(self, **changes):
        """The summary (1, 2) with the noise (0, 1) at time 0.25."""
        alignment = SummaryAlignment(SummaryOptions(width=2, **changes), 2, WeightSchedule(0.03))
        batch = NoisyBatch(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), torch.tensor([0.25]), torch.tensor([3]), Flow())
        return alignment, alignment.prepare(batch, {"summary_noise": torch.tensor([[0.0, 1.0]])}, Targets(summary=torch.tensor([[1.0, 2.0]])))

    def test_value(self):
        alignment, batch = self.by_hand()
        assert batch.noisy_summary.tolist() == [[0.75, 1.75]]
        loss = alignment.loss(StudentPass(batch, {}, None, None, {}, summary=torch.tensor([[0.0, -2.0]])))
        assert loss.item() == 1
        assert alignment.weight(0) * loss.item() == pytest.approx(0.03)

    def test_unit_variance(self):
        _, batch = self.by_hand(summary_norm="unit_variance")
        assert batch.summary.square().mean().item() == pytest.approx(1)
        assert (batch.summary[0, 1] / batch.summary[0, 0]).item() == pytest.approx(2)

    def test_the_token_has_a_state_even_where_its_loss_weighs_nothing(self):
        alignment = SummaryAlignment(SummaryOptions(width=2), 2, WeightSchedule(0.0))
        assert alignment.reads_at(0) == {"summary"}

    def test_repa_compares_the_summary_before_the_patches(self, built):
        alignment = built(RepaOptions(block=1, projector_width=16, align_summary=True), encoder_width=6)
        given = Targets(tokens=torch.randn(2, 4, 6), summary=torch.randn(2, 6))
        assert torch.equal(alignment.targets(given)[:, 0], given.summary)
        assert torch.equal(alignment.targets(given)[:, 1:], given.tokens)
        assert alignment.reads == {"tokens", "summary"}


@pytest.mark.parametrize(("owner", "family"), [("dts_as", "dit"), ("contrastive", "dit"), ("attention", "mmdit"), ("summary", "mmdit")])
def test_a_family_that_a_method_cannot_train_is_refused(owner, family):
    options = {
        "dts_as": DualTimesOptions(student_block=1, teacher_block=2),
        "contrastive": ContrastiveOptions(),
        "attention": AttentionOptions(first_block=1, last_block=2),
        "summary": SummaryOptions(),
    }[owner]
    with pytest.raises(ValueError, match=rf"method {owner} trains .*, not {FAMILY_NAMES[family]}: it|method {owner} trains .*: its"):
        options.check_fits(family, 32)


def test_two_methods_that_decide_what_the_student_sees_are_refused():
    both = combination("Both", DualTimesOptions, SummaryOptions)
    with pytest.raises(ValueError, match="dts_as and summary each decide what the student sees; one run can have one of them"):
        both(dts_as=DualTimesOptions(student_block=1, teacher_block=2), summary=SummaryOptions())


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (LayerSyncOptions(student_block=3, target_block=4), "student_block and target_block fall together on block 1 of the 3"),
        (DualTimesOptions(student_block=3, teacher_block=4), "student_block and teacher_block fall together on block 1 of the 3"),
    ],
)
def test_blocks_that_fall_together_in_a_shallow_model_are_refused(options, match):
    carrier = Carrier(Width(depth=12, width=32, heads=4), Width(depth=3, width=32, heads=4), {}, 32)
    with pytest.raises(ValueError, match=match):
        options.carried(carrier)


@pytest.mark.parametrize(("batch", "group"), [(256, 32), (48, 32), (16, 16), (2, 2)])
def test_a_batch_smaller_than_a_group_is_one_group(batch, group):
    carrier = Carrier(Width(depth=12, width=32, heads=4), Width(depth=12, width=32, heads=4), {}, batch)
    assert ContrastiveOptions(group=32).carried(carrier).group == group
    assert DispersiveOptions(block=3, group=32).carried(carrier).group == group
