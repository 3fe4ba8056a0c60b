"""layer_relevance on the induction model that was set by hand, of which it is known what every layer does."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mechint.plugins import induction, layer_relevance
from pydantic import ValidationError
from safetensors.torch import save_file

from mechint.errors import CheckpointError, DataError
from mechint.faithfulness.effects import describe_effects
from mechint.journal import Journal
from mechint.task.ablation import Ablation
from mechint.training.hand_induction import HandInduction, build_hand_induction
from tests.reports import make_item
from tests.search.prompts import prompts
from tests.subject.families import FAMILIES, VOCAB, open_family, save
from tests.tiny import metric_named, random_model, subject_of, task_on

ALL = ("relevance", "direct", "lens", "knock_out")
RULES = ("plain", "cp_lrp", "attn_lrp", "relp")


@pytest.fixture(scope="module")
def subject():
    return subject_of(build_hand_induction(HandInduction()))


@pytest.fixture(scope="module")
def task(subject):
    options = induction.Options(examples={"train": 12, "validation": 8}, ids=(1, 39), length=8)
    return induction.mechint_task(subject=subject, options=options, metric=metric_named("logit_diff"))


def analyze(subject, task, journal=None, **options):
    return layer_relevance.mechint_analyze(
        subject=subject,
        task=task,
        ablation=Ablation(name="zero", subject=subject, reference=task.search, seed=0),
        options=layer_relevance.Options(**options),
        schedules=None,
        seed=0,
        journal=journal or Journal(),
    )


def maps_of(analysis):
    return {one.name: one for one in analysis.effects}


def test_the_defaults_use_no_rule_that_is_patented(subject, task):
    maps = maps_of(analyze(subject, task))
    assert list(maps) == ["relevance", "relevance_parts", "direct", "lens_probability", "lens_rank", "knock_out"]


def test_every_rule_has_maps_of_its_own(subject, task):
    maps = maps_of(analyze(subject, task, rules=RULES, quantities=("relevance",), score_by="relevance"))
    names = ("relevance", "cp_lrp", "attn_lrp", "relp")
    assert list(maps) == [name for rule in names for name in (rule, f"{rule}_parts")]
    assert maps["cp_lrp"].rows == ("0", "1")
    assert maps["cp_lrp_parts"].columns == ("attn_out", "mlp_out")


def test_the_behaviour_is_made_by_attention_in_both_layers(subject, task):
    """The previous-token heads are in layer 0, the induction heads in layer 1; MLPs add nothing."""
    analysis = analyze(subject, task, quantities=ALL)
    fall = maps_of(analysis)["knock_out"].mean
    full = float(metric_of(subject, task).mean())
    assert float(fall[0, 0]) == pytest.approx(full, rel=0.15)
    assert float(fall[1, 0]) == pytest.approx(full, rel=0.15)
    assert np.abs(fall[:, 1]).max() < 1e-5
    assert fall[:, 2] == pytest.approx(fall[:, 0])
    assert analysis.circuit.kept.tolist() == [True, False, True, False]


def metric_of(subject, task):
    examples = task.search
    logits = subject.logits(examples.tokens, examples.mask)[examples.where]
    return logits.gather(1, examples.pairs.answers)[:, 0] - logits.gather(1, examples.pairs.distractors)[:, 0]


def test_only_the_last_attention_writes_the_answer(subject, task):
    direct = maps_of(analyze(subject, task))["direct"].mean
    assert int(direct.flatten().argmax()) == 2
    assert float(direct[1, 0]) > 0.9 * float(metric_of(subject, task).mean())


def test_the_lens_shows_the_answer_after_the_last_layer_alone(subject, task):
    maps = maps_of(analyze(subject, task))
    assert float(maps["lens_rank"].mean[1, 0]) == pytest.approx(1)
    assert float(maps["lens_rank"].mean[0, 0]) > 3
    assert float(maps["lens_probability"].mean[0, 0]) < 0.2 < float(maps["lens_probability"].mean[1, 0])


def test_conservation_is_stated_of_cp_lrp_alone(tmp_path):
    subject = open_family(save(FAMILIES["llama"], tmp_path, attention_bias=False))
    task = replace(task_on(random_model()), search=prompts(VOCAB), metric=metric_named("logit_diff"))
    options = {"rules": RULES, "quantities": ("relevance",), "score_by": "relevance"}
    told = {line.split(":")[0]: line for line in analyze(subject, task, **options).summary}
    assert "relevance is conserved" in told["cp_lrp"]
    assert all("does not conserve it" in told[rule] for rule in ("plain", "attn_lrp", "relp"))


def test_biases_keep_some_of_what_cp_lrp_shares_out(tmp_path):
    subject = open_family(save(FAMILIES["gpt2"], tmp_path))
    task = replace(task_on(random_model()), search=prompts(VOCAB), metric=metric_named("logit_diff"))
    (told, *_) = analyze(subject, task, rules=("cp_lrp",), quantities=("relevance",), score_by="relevance").summary
    assert "what relevance adds up to is off the metric" in told
    assert told.endswith("keep some")


def test_every_rule_has_its_sums_in_a_table(subject, task):
    (sums, direct) = analyze(subject, task, rules=("plain", "relp")).tables
    assert sums.header == ("", "plain", "off by", "relp", "off by")
    assert [row[0] for row in sums.rows] == ["enters layer 0", "enters layer 1", "leaves the last layer", "the metric"]
    assert direct.rows[-2][1] == direct.rows[-1][1]


@pytest.mark.parametrize("score_by", ["knock_out", "direct", "relevance"])
def test_what_the_circuit_is_chosen_by_is_measured_in_any_case(score_by, subject, task):
    analysis = analyze(subject, task, quantities=("lens",), score_by=score_by, target_sparsity=0.75)
    name = {"relevance": "relevance_parts"}.get(score_by, score_by)
    scores = torch.from_numpy(maps_of(analysis)[name].mean[:, :2]).flatten().float()
    assert torch.equal(analysis.circuit.scores, scores)
    assert analysis.circuit.kept.nonzero().flatten().tolist() == [int(scores.argmax())]


def test_layer_2_comes_before_layer_10():
    model = random_model(n_layer=12)
    analysis = analyze(subject_of(model), task_on(model, search=4))
    assert {one.rows for one in analysis.effects} == {tuple(map(str, range(12)))}
    assert [units.site.layer for units in analysis.circuit.space.sites] == [n for n in range(12) for _ in "am"]


def test_a_model_without_a_direct_path_says_so_and_goes_without(tmp_path):
    subject = open_family(save(FAMILIES["opt-post-norm"], tmp_path))
    task = replace(task_on(random_model()), search=prompts(VOCAB), metric=metric_named("logit_diff"))
    journal = Journal()
    assert "direct" not in maps_of(analyze(subject, task, journal))
    assert any("direct attribution is left out: later layers normalise" in note for note in journal.notes)
    with pytest.raises(CheckpointError, match="later layers normalise"):
        analyze(subject, task, score_by="direct")


def test_a_metric_without_a_gradient_needs_no_relevance():
    model = random_model()
    task = task_on(model, "accuracy", search=6)
    with pytest.raises(DataError, match=r"leave relevance out of method\.quantities"):
        analyze(subject_of(model), task)
    assert "knock_out" in maps_of(analyze(subject_of(model), task, quantities=("direct",)))


def test_a_tuned_lens_of_identities_is_the_logit_lens(subject, task, tmp_path):
    width = subject.shape.d_model
    identity = {"resid_post.0.weight": torch.eye(width), "resid_post.0.bias": torch.zeros(width)}
    save_file(identity, tmp_path / "lens.safetensors")
    plain = analyze(subject, task, quantities=("lens",))
    tuned = analyze(subject, task, quantities=("lens",), tuned_lens=str(tmp_path / "lens.safetensors"))
    assert np.array_equal(maps_of(plain)["lens_rank"].values, maps_of(tuned)["lens_rank"].values)
    assert [one.summary[-1].split(":")[0] for one in (plain, tuned)] == ["logit lens", "tuned lens"]


def test_options_of_what_is_not_measured_are_named(subject, task):
    journal = Journal()
    analyze(subject, task, journal, quantities=("direct",), rules=("cp_lrp",))
    assert "without effect on what is measured: method.rules" in journal.notes


def test_weights_stay_as_they_are(subject, task):
    before = {name: weight.clone() for name, weight in subject.model.state_dict().items()}
    analyze(subject, task, quantities=ALL, rules=RULES)
    assert all(torch.equal(before[name], weight) for name, weight in subject.model.state_dict().items())


def test_figures_are_drawn_of_what_there_is(subject, task, tmp_path):
    report = make_item(effects=describe_effects(analyze(subject, task).effects))
    names = ["direct_by_layer.png", "knock_out_by_layer.png", "lens.png"]
    assert layer_relevance.mechint_figures(report, tmp_path) == names
    assert sorted(path.name for path in tmp_path.glob("*.png")) == names


@pytest.mark.parametrize("options", [{"quantities": ()}, {"rules": ()}, {"score_by": "lens"}, {"rules": ("lrp",)}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ValidationError):
        layer_relevance.Options(**options)
