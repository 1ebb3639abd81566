"""What all tables and figures take from nothing, for the report: what `sra cost` would have said before any result was there."""

from sra.content.catalogue import Catalogue
from sra.forecast.estimate import estimate
from sra.forecast.job_flops import planned_device
from sra.forecast.rates import Prices, is_core, read_rates
from sra.plan.cost import NOT_COUNTED
from sra.plan.remaining import Remaining
from sra.plan.workflow import plan_of
from sra.reporting.report.document import Planned


def planned_cost(registry: Catalogue) -> Planned:
    """On one device of the kind that the preset is planned for, by the rates of config/throughput.tsv alone: what was measured here came later."""
    everything = Remaining(plan_of(registry), from_nothing=True)
    rates = read_rates(registry.root, planned_device(registry))
    prices = Prices(rates)
    chains_of = {item: everything.chains_of(item) for item in everything.items()}
    alone = {item: estimate(item, everything.title(item), chains, prices, 1).total_seconds for item, chains in chains_of.items()}
    total = estimate("total", "all of them", [chain for chains in chains_of.values() for chain in chains], prices, 1)
    shares = [f"{seconds / total.total_seconds:.0%} on {source} rates" for source, seconds in total.seconds_by_source.items() if seconds]
    power = rates.of("power")
    return Planned(
        device=rates.device,
        unit="core" if is_core(rates.device) else "GPU",
        seconds=total.seconds,
        alone=alone,
        runs=len(total.runs),
        steps=total.steps,
        images=total.images,
        kept_bytes=total.kept,
        meanwhile_bytes=total.temporary,
        watts=power.value if power else None,
        power=f"{power.source}, {power.evidence}" if power else None,
        sources=f"The time rests {', '.join(shares)} (config/throughput.tsv)." if shares else "",
        not_counted=[*sorted(prices.unknown | everything.works.unknown), *NOT_COUNTED],
    )
