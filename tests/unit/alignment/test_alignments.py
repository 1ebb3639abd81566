"""What each method reads, whom it asks and where its gradients go."""

import pytest
import torch

from sra.alignment.base import StudentPass
from sra.alignment.build import build_alignments
from sra.core.errors import InputError
from sra.diffusion.batch import NoisyBatch
from sra.diffusion.process import build_process
from sra.encoders.targets import Targets
from sra.models.build import build_model
from sra.spec.methods.base import BaselineOptions
from sra.spec.methods.known import RepaSraOptions
from sra.spec.methods.repa import RepaOptions
from sra.spec.methods.sra import SraOptions
from sra.spec.scale import Text

SRA = {"student_block": 2, "teacher_block": 3}


class SpyTeacher:
    """Answers with zeros and remembers what it was shown."""

    def features(self, x, timestep, condition, until):
        self.x, self.timestep, self.condition, self.until = x, timestep, condition, until
        self.grad_enabled = torch.is_grad_enabled()
        return torch.zeros(len(x), 16, 32)


def awake(model):
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


def batch_of(run, uniform=(0.05, 0.3, 0.6, 0.99)):
    generator = torch.Generator().manual_seed(2)
    process = build_process(run.process)
    latents, noise = torch.randn(2, 4, 4, 8, 8, generator=generator)
    return NoisyBatch(latents, noise, process.timesteps(torch.tensor(uniform)), torch.tensor([1, 10, 3, 10]), process)


def student_features(run, alignment, batch):
    return awake(build_model(run.model, seed=0))(batch.noisy, batch.timestep, batch.condition, alignment.taps)[1]


def loss_of(alignment, batch, features, teacher, draw=None, targets=None):
    """The loss of features as if a student had given them; the output is not read."""
    return alignment.loss(StudentPass(batch, features, None, teacher, {"interval": draw}, targets if targets is None else Targets(targets)))


def build_alignment(run, encoder_width, seed):
    """The one alignment of a run."""
    return next(iter(build_alignments(run, encoder_width, seed).values()))


def test_the_baseline_aligns_nothing(make_run):
    assert len(build_alignments(make_run(BaselineOptions()), None, seed=0)) == 0


def test_both_methods_together_are_each_as_alone(make_run):
    repa, sra = RepaOptions(block=1, projector_width=48, weight=0.3), SraOptions(**SRA)
    both = build_alignments(make_run(RepaSraOptions(repa=repa, sra=sra)), 24, seed=0)
    assert list(both) == ["repa", "sra"]
    assert (both["repa"].taps, both["sra"].taps) == ((1,), (2,))
    assert (both["repa"].weight(0), both["sra"].weight(0)) == (0.3, 0.2)
    for name, options in {"repa": repa, "sra": sra}.items():
        alone = build_alignment(make_run(options), 24, seed=0).state_dict()
        assert all(torch.equal(value, alone[key]) for key, value in both[name].state_dict().items())


def test_sra_declares_what_it_needs(make_run):
    alignment = build_alignment(make_run(SraOptions(**SRA)), None, seed=0)
    assert alignment.taps == (2,)
    assert alignment.weight(0) == 0.2


def test_teacher_sees_the_same_sample_earlier_and_stops_at_its_block(make_run):
    run = make_run(SraOptions(**SRA))
    alignment, batch, teacher = build_alignment(run, None, seed=0), batch_of(run), SpyTeacher()
    draw = torch.tensor([0.5, 0.0, 0.25, 0.999])
    loss_of(alignment, batch, student_features(run, alignment, batch), teacher, draw, None)
    assert teacher.until == 3
    assert teacher.condition is batch.condition  # dropped for both or for neither
    assert teacher.timestep.tolist() == pytest.approx([0.0, 0.3, 0.55, 0.99 - 0.1998])
    t = teacher.timestep.view(-1, 1, 1, 1)
    torch.testing.assert_close(teacher.x, (1 - t) * batch.latents + t * batch.noise)
    assert not teacher.grad_enabled


def test_teacher_runs_no_block_after_its_own(make_run):
    run = make_run(SraOptions(**SRA))
    alignment, batch, teacher = build_alignment(run, None, seed=0), batch_of(run), awake(build_model(run.model, seed=5))
    runs = []
    for number, block in enumerate(teacher.blocks, start=1):
        block.register_forward_hook(lambda *_, number=number: runs.append(number))
    loss_of(alignment, batch, student_features(run, alignment, batch), teacher, torch.rand(4), None)
    assert runs == [1, 2, 3]


@pytest.mark.parametrize("kind", ["flow", "ddpm"])
def test_draw_of_zero_keeps_the_time(make_run, kind):
    run = make_run(SraOptions(**SRA), kind)
    alignment, batch, teacher = build_alignment(run, None, seed=0), batch_of(run), SpyTeacher()
    loss_of(alignment, batch, student_features(run, alignment, batch), teacher, torch.zeros(4), None)
    assert torch.equal(teacher.timestep, batch.timestep)


def test_same_block_same_time_same_weights_no_head_is_perfect(make_run):
    run = make_run(SraOptions(student_block=2, teacher_block=2, interval="fixed", max_interval=0.0, head="none"))
    alignment, batch, model = build_alignment(run, None, seed=0), batch_of(run), awake(build_model(run.model, seed=0))
    features = model(batch.noisy, batch.timestep, batch.condition, alignment.taps)[1]
    # The teacher's kernels sum in another order.
    assert float(loss_of(alignment, batch, features, model, torch.rand(4), None)) == pytest.approx(0, abs=1e-12)
    assert list(alignment.parameters()) == []


def test_fixed_interval_ignores_the_draw(make_run):
    run = make_run(SraOptions(**SRA, interval="fixed", max_interval=0.1))
    alignment, batch, teacher = build_alignment(run, None, seed=0), batch_of(run), SpyTeacher()
    loss_of(alignment, batch, student_features(run, alignment, batch), teacher, torch.rand(4), None)
    assert teacher.timestep.tolist() == pytest.approx([0.0, 0.2, 0.5, 0.89])


@pytest.mark.parametrize("share", [0.1, 0.29, 0.57, 0.7])
def test_fixed_interval_is_a_whole_number_of_ddpm_steps(make_run, share):
    run = make_run(SraOptions(**SRA, interval="fixed", max_interval=share), "ddpm")
    alignment, batch, teacher = build_alignment(run, None, seed=0), batch_of(run, uniform=(0.999,) * 4), SpyTeacher()
    loss_of(alignment, batch, student_features(run, alignment, batch), teacher, torch.rand(4), None)
    assert teacher.timestep.tolist() == [999 - int(1000 * share)] * 4


@pytest.mark.parametrize("floor", [0, 1])
def test_ddpm_teacher_stops_at_the_floor(make_run, floor):
    run = make_run(SraOptions(**SRA, teacher_time_floor=floor), "ddpm")
    alignment, batch, teacher = build_alignment(run, None, seed=0), batch_of(run), SpyTeacher()
    loss_of(alignment, batch, student_features(run, alignment, batch), teacher, torch.full((4,), 0.75), None)
    assert teacher.timestep.tolist() == [floor, 150, 450, 840]


def test_gradients_reach_student_and_head_but_not_the_teacher(make_run):
    run = make_run(SraOptions(**SRA))
    alignment, batch = build_alignment(run, None, seed=0), batch_of(run)
    student, teacher = awake(build_model(run.model, seed=0)), awake(build_model(run.model, seed=5))
    features = student(batch.noisy, batch.timestep, batch.condition, alignment.taps)[1]
    loss_of(alignment, batch, features, teacher, torch.rand(4), None).backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert all(p.grad.any() for p in alignment.parameters())
    reached = {name for name, p in student.named_parameters() if p.grad is not None}
    assert "blocks.1.mlp.fc2.weight" in reached
    assert not any(name.startswith(("blocks.2", "blocks.3", "final_layer")) for name in reached)


def test_decay_reaches_the_alignment(make_run):
    run = make_run(SraOptions(**SRA, schedule="official_decay"), paper_steps_per_step=5004.0)
    assert build_alignment(run, None, seed=0).weight(400) == pytest.approx(0.112, abs=5e-4)


def test_weights_are_a_function_of_the_seed(make_run):
    run = make_run(SraOptions(**SRA))
    before = torch.get_rng_state()
    first, second, other = (build_alignment(run, None, seed).head.linear1.weight for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def with_text(run):
    """The same run of an MMDiT, told 5 text tokens."""
    model = run.model.model_copy(update={"name": "MMDiT/2", "classes": None, "text": Text(tokens=5, width=12)})
    return run.model_copy(update={"family": "mmdit", "model": model})


@pytest.mark.parametrize(("options", "first"), [(SraOptions(**SRA), "head.linear1"), (RepaOptions(block=2, projector_width=48), "projector.0")])
def test_heads_start_by_the_rule_of_the_runs_model(make_run, options, first):
    """Xavier's in SiT, torch's own in MMDiT; both with 32 inputs."""
    xavier, own = (build_alignment(run, 24, seed=0).get_submodule(first) for run in (make_run(options), with_text(make_run(options))))
    assert xavier.weight.abs().max().item() == pytest.approx((6 / (32 + len(xavier.weight))) ** 0.5, rel=0.02)
    assert not xavier.bias.any()
    assert own.weight.abs().max().item() == pytest.approx(32**-0.5, rel=0.02)
    assert own.bias.abs().max().item() == pytest.approx(32**-0.5, rel=0.2)


def test_text_to_image_aligns_the_image_and_shows_the_teacher_the_same_text(make_run):
    run = with_text(make_run(RepaSraOptions(repa=RepaOptions(block=1, projector_width=48), sra=SraOptions(**SRA))))
    generator, process = torch.Generator().manual_seed(2), build_process(run.process)
    latents, noise = torch.randn(2, 4, 4, 8, 8, generator=generator)
    text = torch.randn(4, 5, 12, generator=generator)
    batch = NoisyBatch(latents, noise, process.timesteps(torch.tensor([0.05, 0.3, 0.6, 0.99])), text, process)
    student, teacher, alignments = build_model(run.model, seed=0), build_model(run.model, seed=5), build_alignments(run, 24, seed=0)
    features, shown = student(batch.noisy, batch.timestep, batch.condition, (1, 2))[1], []
    teacher.text_embedder.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    for name, alignment in alignments.items():
        loss = loss_of(alignment, batch, features, teacher, torch.rand(4, generator=generator), torch.randn(4, 16, 24, generator=generator))
        student.zero_grad()
        loss.backward(retain_graph=True)
        assert all(parameter.grad.any() for parameter in alignment.parameters()), name
        assert student.text_embedder.weight.grad.any(), name  # the caption shapes what the image's tokens are
        assert student.final_layer.linear.weight.grad is None, name
    assert len(shown) == 1
    assert shown[0] is text


def repa(make_run, encoder_width=24):
    run = make_run(RepaOptions(block=2, projector_width=48))
    return run, build_alignment(run, encoder_width, seed=0)


def test_repa_declares_what_it_needs(make_run):
    _, alignment = repa(make_run)
    assert alignment.taps == (2,)
    assert alignment.weight(0) == alignment.weight(4_000_000) == 0.5


def test_repa_stops_at_a_step_of_the_papers_scale(make_run):
    run = make_run(RepaOptions(block=2, stop_step=40_000), paper_steps_per_step=1000.0)
    alignment = build_alignment(run, 24, seed=0)
    assert [alignment.weight(step) for step in (0, 39, 40, 41)] == [0.5, 0.5, 0.0, 0.0]


def test_nt_xent_is_the_cross_entropy_of_finding_the_own_patch(make_run):
    run = make_run(RepaOptions(block=2, projector_width=48, objective="nt_xent", temperature=0.2))
    alignment, batch = build_alignment(run, 24, seed=0), batch_of(run)
    features, targets = student_features(run, alignment, batch), torch.randn(4, 16, 24, generator=torch.Generator().manual_seed(3))
    projected, expected = alignment.projector(features[2]).detach(), []
    for image in range(4):
        for token in range(16):
            cosines = torch.stack([torch.cosine_similarity(projected[image, token], other, dim=0) for other in targets[image]]) / 0.2
            expected.append((cosines.exp().sum().log() - cosines[token]).item())
    assert loss_of(alignment, batch, features, None, torch.rand(4), targets).item() == pytest.approx(sum(expected) / 64, rel=1e-5)


@pytest.mark.parametrize("objective", ["cosine", "nt_xent"])
def test_repa_of_a_batch_is_the_mean_over_its_parts(make_run, objective):
    run = make_run(RepaOptions(block=2, projector_width=48, objective=objective))
    alignment, batch = build_alignment(run, 24, seed=0), batch_of(run)
    features, targets = student_features(run, alignment, batch), torch.randn(4, 16, 24)
    whole = loss_of(alignment, batch, features, None, torch.rand(4), targets)
    halves = [loss_of(alignment, batch.part(rows), {2: features[2][rows]}, None, None, targets[rows]) for rows in (slice(2), slice(2, 4))]
    torch.testing.assert_close(whole, sum(halves) / 2)


def test_repa_is_minus_one_when_aligned_and_one_when_opposed(make_run):
    run, alignment = repa(make_run)
    batch = batch_of(run)
    features = student_features(run, alignment, batch)
    aligned = 3 * alignment.projector(features[2]).detach()
    assert loss_of(alignment, batch, features, None, torch.rand(4), aligned).item() == pytest.approx(-1, abs=1e-6)
    assert loss_of(alignment, batch, features, None, torch.rand(4), -aligned).item() == pytest.approx(1, abs=1e-6)


def test_repa_survives_half_precision_norms(make_run):
    run, alignment = repa(make_run)
    features = {2: torch.randn(4, 16, 32)}
    targets = 500 * torch.randn(4, 16, 24)
    value = loss_of(alignment, batch_of(run), features, None, torch.rand(4), targets.half())
    torch.testing.assert_close(value, loss_of(alignment, batch_of(run), features, None, torch.rand(4), targets), rtol=0, atol=1e-3)


def test_repa_names_what_does_not_fit(make_run):
    run, alignment = repa(make_run)
    with pytest.raises(InputError, match=r"encoder dinov2b: features \(batch, tokens, width\) are \(4, 9, 24\), the model aligns \(4, 16, 24\)"):
        loss_of(alignment, batch_of(run), {2: torch.zeros(4, 16, 32)}, None, torch.rand(4), torch.zeros(4, 9, 24))
    with pytest.raises(ValueError, match="needs the width of encoder"):
        build_alignment(run, None, seed=0)


@pytest.mark.parametrize("options", [SraOptions(**SRA), SraOptions(**SRA, distance="cosine"), RepaOptions(block=2, projector_width=48)])
def test_training_on_the_loss_alone_aligns(make_run, options):
    run = make_run(options)
    alignment, batch = build_alignment(run, 24, seed=0), batch_of(run)
    student, teacher = awake(build_model(run.model, seed=0)), awake(build_model(run.model, seed=5))
    targets, draw = torch.randn(4, 16, 24, generator=torch.Generator().manual_seed(3)), torch.full((4,), 0.5)
    optimizer = torch.optim.Adam([*student.parameters(), *alignment.parameters()], lr=3e-3)
    losses = []
    for _ in range(30):
        features = student(batch.noisy, batch.timestep, batch.condition, alignment.taps)[1]
        losses.append(loss_of(alignment, batch, features, teacher, draw, targets))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    start, floor = losses[0].item(), -1 if isinstance(options, RepaOptions) else 0
    assert losses[-1].item() - floor < 0.7 * (start - floor)
