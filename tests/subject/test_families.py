"""Every family of transformers: its own forward pass, and sites whose values a computation by hand gives too."""

import copy

import pytest
import torch
from transformers import AutoModelForCausalLM

from mechint.circuit.space import Site
from mechint.errors import CheckpointError
from mechint.subject.architecture import EMBED
from mechint.subject.intervene import at_heads, capture, edited, replace, within
from mechint.subject.selfcheck import check_sites
from tests.subject.families import D_MODEL, FAMILIES, N_HEAD, N_LAYER, TOKENS, build, open_family, save

WITH_NEURONS = [name for name, family in FAMILIES.items() if family.down is not None]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return FAMILIES[request.param]


@pytest.fixture(scope="module")
def folder(family, tmp_path_factory):
    return save(family, tmp_path_factory.mktemp("family"))


@pytest.fixture(scope="module")
def subject(folder):
    return open_family(folder)


@pytest.fixture(scope="module")
def plain(folder):
    """The model as transformers itself loads it, copied from the file's memory, where products round differently."""
    loaded = (
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval().requires_grad_(requires_grad=False)
    )
    return copy.deepcopy(loaded)


@pytest.fixture(scope="module")
def seen(subject):
    return capture(subject, subject.sites(), TOKENS)


def weight(plain, family, layer, path):
    """A projection's weight ``[out in]`` and bias, or 0 where it has none."""
    module = plain.get_submodule(f"{family.block.format(layer=layer)}.{path}")
    matrix = module.weight.T if family.conv1d else module.weight
    return matrix, module.bias if module.bias is not None else torch.zeros(())


def qkv_weights(plain, family, shape, layer):
    """Weight and bias of q, k and v, each on its own."""
    if not isinstance(family.qkv, str):
        return [weight(plain, family, layer, path) for path in family.qkv]
    matrix, bias = weight(plain, family, layer, family.qkv)
    widths = [heads * shape.d_head for heads in (shape.n_head, shape.n_kv_head, shape.n_kv_head)]
    rows = torch.arange(sum(widths)).split(widths)
    if family.interleaved:
        rows = [part.flatten() for part in torch.arange(sum(widths)).view(shape.n_head, 3, shape.d_head).unbind(1)]
    return [(matrix[part], bias[part] if bias.ndim else bias) for part in rows]


def normed(plain, family, layer, path, value):
    return value if path is None else plain.get_submodule(f"{family.block.format(layer=layer)}.{path}")(value)


def test_logits_are_those_of_transformers_to_the_bit(subject, plain):
    assert torch.equal(subject.logits(TOKENS), plain(TOKENS, use_cache=False).logits)


def test_logits_with_every_site_hooked_are_those_of_transformers_to_the_bit(subject, plain):
    with edited(subject, {site: lambda activation: activation for site in subject.sites()}):
        assert torch.equal(subject.logits(TOKENS), plain(TOKENS, use_cache=False).logits)


def test_the_table_is_the_familys_and_keeps_its_promises(subject, family):
    assert subject.architecture.name == family.table
    assert [check.promise for check in check_sites(subject) if not check.held] == []


def test_nothing_stays_hooked(subject, seen):
    modules = list(subject.model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in modules)


def test_the_embedding_is_the_tokens_rows(plain, family, seen):
    rows = plain.get_input_embeddings().weight[TOKENS]
    scale = D_MODEL**0.5 if family.table == "gemma" else 1.0
    assert torch.allclose(seen[EMBED], rows * scale, atol=1e-5)


@pytest.mark.parametrize("layer", range(N_LAYER))
@pytest.mark.parametrize("index", range(3), ids="qkv")
def test_q_k_and_v_are_projections_of_what_attention_reads(plain, subject, family, seen, layer, index):
    read = normed(plain, family, layer, family.norm, seen[Site(layer, "resid_pre")])
    matrix, bias = qkv_weights(plain, family, subject.shape, layer)[index]
    assert torch.allclose(seen[Site(layer, "qkv"[index])], read @ matrix.T + bias, atol=1e-4)


@pytest.mark.parametrize("layer", range(N_LAYER))
def test_z_is_v_weighted_by_the_attention_pattern(folder, subject, seen, layer):
    eager = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        pattern = eager(TOKENS, output_attentions=True, use_cache=False).attentions[layer]  # [b h p p]
    shape = subject.shape
    v = seen[Site(layer, "v")].unflatten(-1, (shape.n_kv_head, shape.d_head))
    v = v.repeat_interleave(shape.n_head // shape.n_kv_head, dim=2)  # [b p h k]
    assert torch.allclose(seen[Site(layer, "z")], torch.einsum("bhpq,bqhk->bphk", pattern, v).flatten(2), atol=1e-4)


@pytest.mark.parametrize("layer", range(N_LAYER))
def test_heads_add_up_to_what_attention_adds(plain, subject, family, seen, layer):
    matrix, bias = weight(plain, family, layer, family.o)
    z = seen[Site(layer, "z")].unflatten(-1, (N_HEAD, subject.shape.d_head))
    per_head = torch.einsum("bphk,dhk->bphd", z, matrix.unflatten(-1, (N_HEAD, subject.shape.d_head)))
    added = normed(plain, family, layer, family.after_attention, per_head.sum(2) + bias)
    assert torch.allclose(seen[Site(layer, "attn_out")], added, atol=1e-4)


@pytest.mark.parametrize("name", WITH_NEURONS)
def test_neurons_give_what_the_mlp_adds(name, tmp_path):
    family = FAMILIES[name]
    subject, plain = open_family(save(family, tmp_path)), build(family)
    seen = capture(subject, [Site(1, "mlp_post"), Site(1, "mlp_out")], TOKENS)
    matrix, bias = weight(plain, family, 1, family.down)
    added = normed(plain, family, 1, family.after_mlp, seen[Site(1, "mlp_post")] @ matrix.T + bias)
    assert torch.allclose(seen[Site(1, "mlp_out")].view_as(added), added, atol=1e-4)


@pytest.mark.parametrize("index", [1, 2], ids=["k", "v"])
def test_zeroing_a_kv_head_is_zeroing_its_rows_of_the_weight(folder, subject, plain, family, index):
    units = subject.units(Site(1, "qkv"[index]))
    with edited(subject, {units.site: within(at_heads(units, [1]), replace(torch.zeros(())))}):
        ablated = subject.logits(TOKENS)
    changed = (
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval().requires_grad_(requires_grad=False)
    )
    zero_head(changed, family, subject.shape, index, head=1)
    assert torch.allclose(ablated, changed(TOKENS, use_cache=False).logits, atol=1e-5)
    assert not torch.allclose(ablated, plain(TOKENS, use_cache=False).logits, atol=1e-4)


def zero_head(model, family, shape, index, head):
    """Zero the rows of one head of k or v in layer 1, and its biases."""
    fused = isinstance(family.qkv, str)
    module = model.get_submodule(f"{family.block.format(layer=1)}.{family.qkv if fused else family.qkv[index]}")
    rows = torch.arange(len(module.weight.T if family.conv1d else module.weight))
    if family.interleaved:
        rows = rows.view(shape.n_head, 3, shape.d_head)[head, index]
    else:
        before = (0, shape.n_head, shape.n_head + shape.n_kv_head)[index] if fused else 0
        rows = rows[(before + head) * shape.d_head :][: shape.d_head]
    (module.weight.T if family.conv1d else module.weight)[rows] = 0
    if module.bias is not None:
        module.bias[rows] = 0


@pytest.mark.parametrize(("side", "real"), [("left", slice(3, 8)), ("right", slice(0, 5))])
def test_padding_changes_no_real_token(subject, side, real):
    mask = torch.zeros(2, 8, dtype=torch.bool)
    mask[0, real] = mask[1] = True
    tokens = TOKENS[:, :8].clone()
    tokens[0, real] = TOKENS[0, :5]
    padded = subject.logits(tokens, mask)
    assert torch.allclose(padded[0, real], subject.logits(TOKENS[:1, :5])[0], atol=1e-4)
    assert torch.allclose(padded[1], subject.logits(tokens[1:])[0], atol=1e-4)


def test_a_family_without_a_site_says_why(tmp_path):
    subject = open_family(save(FAMILIES["gptj"], tmp_path))
    with pytest.raises(CheckpointError, match="gptj has no site resid_mid: attention and MLP read the same"):
        subject.space(["resid_mid"])


def test_neurons_of_experts_are_refused(tmp_path):
    subject = open_family(save(FAMILIES["mixtral"], tmp_path))
    with pytest.raises(CheckpointError, match="mixture has no site mlp_post: each token goes through a few of many"):
        subject.space(["mlp_post"])


def test_as_many_kv_heads_as_heads_are_multi_head_attention_to_the_bit(tmp_path):
    family = FAMILIES["llama"]
    grouped = open_family(save(family, tmp_path / "gqa", num_key_value_heads=N_HEAD))
    plain = open_family(save(family, tmp_path / "mha", num_key_value_heads=None))
    assert (grouped.shape.n_kv_head, plain.shape.n_kv_head) == (N_HEAD, N_HEAD)
    ablation = {Site(0, "v"): within(at_heads(plain.units(Site(0, "v")), [2]), replace(torch.zeros(())))}
    with edited(grouped, ablation), edited(plain, ablation):
        assert torch.equal(grouped.logits(TOKENS), plain.logits(TOKENS))
