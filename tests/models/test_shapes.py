"""The published shapes give the published sizes."""

import pytest
import torch
from transformers import LlamaConfig, OPTConfig

from stade_nb.errors import StadeError
from stade_nb.models import PAPERS_MODELS, architectures
from stade_nb.models.packaged import packaged_models
from stade_nb.models.shapes import empty, shapes


@pytest.mark.parametrize("name", [*PAPERS_MODELS, *packaged_models()])
def test_a_model_of_the_shape_has_the_published_number_of_parameters(name):
    model = empty(name)
    assert sum(parameter.numel() for parameter in model.parameters()) == shapes()[name].parameters
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert model.dtype == torch.float16


def test_every_model_of_the_papers_tables_and_every_packaged_one_has_a_shape_with_its_source():
    assert shapes().keys() == PAPERS_MODELS.keys() | packaged_models().keys()
    for name, known in packaged_models().items():
        assert shapes()[name].parameters == known.parameters
        assert shapes()[name].config["model_type"] == known.architecture
    assert all(shape.source and shape.title for shape in shapes().values())


@pytest.mark.parametrize(
    ("name", "config"), [("llama-7b", LlamaConfig()), ("opt-125m", OPTConfig())]
)
def test_the_two_that_transformers_has_as_defaults_agree_with_them(name, config):
    for entry, value in shapes()[name].config.items():
        assert getattr(config, entry) == value


def test_a_shape_has_blocks_like_any_model():
    assert len(architectures.blocks(empty("llama-2-13b"))) == 40
    k_proj = architectures.blocks(empty("llama-3.2-1b"))[0].self_attn.k_proj
    assert k_proj.weight.shape == (512, 2048)


def test_an_unknown_shape_is_named_with_the_nearest():
    with pytest.raises(StadeError, match=r"unknown shape 'llama-3.2-1B'.*'llama-3"):
        empty("llama-3.2-1B")
