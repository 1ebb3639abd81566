"""The planner and the sampler refuse the same: what is planned can be sampled, and what cannot be sampled is never planned."""

from itertools import product

import pytest
import torch
from pydantic import TypeAdapter

from sra.core.errors import InputError
from sra.diffusion.process import build_process
from sra.spec.load import checked
from sra.spec.recipe import DdpmProcess, FlowProcess
from sra.spec.samplers import SAMPLER_OF, Sampler, SdeSampler, refuse_unfit

PROCESSES = (FlowProcess(), DdpmProcess(timesteps=100))
EVALUATIONS, LAST_STEPS = (0, 1, 2, 3, 100, 101), (0.0, 0.04, 0.5, 1.0)


def sampled(process, options) -> bool:
    """Whether the process itself draws something finite by these options, whatever the planner thinks of them."""
    sampler = SAMPLER_OF[options["kind"]].model_construct(**{**checked({"kind": "sde", "evaluations": 1}, Sampler, "").__dict__, **options})
    noise = torch.ones(1, 1, 2, 2)

    def denoise(x, timestep, condition):
        return torch.zeros(len(x), 2 if process.kind == "ddpm" else 1, 2, 2, dtype=x.dtype)

    try:
        found = build_process(process).sample(denoise, sampler, noise, torch.zeros(1), torch.zeros(()), lambda: torch.ones_like(noise))
    except (InputError, ArithmeticError, IndexError, RuntimeError, ValueError):
        return False
    return bool(found.isfinite().all()) and options["evaluations"] > 0


def planned(process, options) -> bool:
    try:
        refuse_unfit(checked(options, Sampler, "samplers.yaml"), process)
    except InputError as error:
        return "\n" in str(error)
    return True


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.kind)
@pytest.mark.parametrize("kind", SAMPLER_OF)
def test_what_is_planned_is_what_can_be_sampled(process, kind):
    for evaluations, last_step in product(EVALUATIONS, LAST_STEPS if kind == "sde" else LAST_STEPS[1:2]):
        if (evaluations, last_step) == (1, 0.0):
            continue  # the only step is the last, and its size is not asked for
        options = {"kind": kind, "evaluations": evaluations, "last_step": last_step}
        assert planned(process, options) == sampled(process, options), options


def test_each_process_has_its_kinds_and_no_kind_is_without_one():
    fitting = {process.kind: {kind for kind in SAMPLER_OF if planned(process, {"kind": kind, "evaluations": 4})} for process in PROCESSES}
    assert fitting == {"flow": {"sde", "ode_euler", "ode_heun"}, "ddpm": {"ddpm"}}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kind": "sde", "evaluations": 4, "last_step": 0}, r"last_step: Input should be greater than 0"),
        ({"kind": "ddpm", "evaluations": 1}, r"evaluations: Input should be greater than or equal to 2"),
        ({"kind": "ode_heun", "evaluations": 4, "last_step": 0.1}, r"last_step is an option of kind sde; leave it out"),
        ({"kind": "sde", "evaluations": 4, "guidance": {"interval": [0.7, 0.0]}}, r"ends before it begins"),
        ({"kind": "dpm", "evaluations": 4}, r"unknown kind 'dpm'; did you mean 'ddpm'"),
        ({"evaluations": 4}, r"kind is missing"),
    ],
)
def test_the_limits_of_each_kind_are_named(options, says):
    with pytest.raises(InputError, match=says):
        checked(options, Sampler, "config/samplers.yaml")


def test_every_kind_is_recorded_as_it_always_was():
    """Samples and scores name their sampler in full; other keys or another order would make them another's."""
    keys = ["kind", "evaluations", "last_step", "guidance", "labels", "classes", "captions", "uint8", "seed", "official_seeding"]
    for kind in SAMPLER_OF:
        recorded = checked({"kind": kind, "evaluations": 4}, Sampler, "").model_dump(mode="json")
        assert list(recorded) == keys
        assert recorded["last_step"] == 0.04
        assert TypeAdapter(Sampler).validate_python(recorded).model_dump(mode="json") == recorded
    assert isinstance(checked({"kind": "sde", "evaluations": 4}, Sampler, ""), SdeSampler)
