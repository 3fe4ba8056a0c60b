"""The page on sites, against the tables and the program."""

import re
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from mechint.subject.architecture import KINDS
from mechint.subject.load import load_subject
from mechint.subject.selfcheck import check_sites
from tests.subject.families import TABLES

PAGE = (Path(__file__).parents[1] / "docs/sites.md").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_site_is_on_the_page(kind):
    assert f"`{kind}`" in PAGE or f"`{kind}.L`" in PAGE


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_is_on_the_page_with_its_types(table):
    (line,) = re.findall(rf"^\| .*`{table.name}`.*$", PAGE, re.MULTILINE)
    assert all(model_type in line for model_type in table.model_types)


def test_the_pages_own_table_keeps_its_promises(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    namespace = {}
    exec(code, namespace)
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32, "intermediate_size": 48}
    config = AutoConfig.for_model("cohere", vocab_size=50, bos_token_id=None, eos_token_id=None, **sizes)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    subject = load_subject(str(tmp_path), namespace["mechint_architectures"]())
    assert subject.architecture.name == "cohere"
    assert [check.promise for check in check_sites(subject) if not check.held] == []
