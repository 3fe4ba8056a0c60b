import pytest

from mechint.search.objective import Objective, untied
from mechint.task.ablation import Ablation
from tests.tiny import planted_model, subject_of, task_on


@pytest.fixture
def make_objective():
    def make(metric: str = "loss", ablation: str = "zero", model=None) -> Objective:
        model = model or planted_model()
        subject, task = subject_of(model), task_on(model, metric)
        space = subject.space(("k", "v"))
        kind = Ablation(name=ablation, subject=subject, reference=task.search, seed=0)
        ablated = kind.at([units.site for units in space.sites])
        return Objective(
            subject=subject, task=task, ablated=ablated, space=space, groups=untied(space), batch_size=16, seed=0
        )

    return make
