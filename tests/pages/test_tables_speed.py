"""The speed page's rows: every distinct shape of the model, each pattern, way and token count."""

from types import SimpleNamespace

from stade_nb.pages.tables import speed

P = SimpleNamespace(
    model="smollm2-135m", patterns=["2:4", "0.9"], tokens=[1, 2], repetitions=1, device="cpu"
)


def test_shapes_are_those_of_the_models_block():
    assert speed.layer_shapes("smollm2-135m") == {
        (576, 576): "q_proj, o_proj",
        (192, 576): "k_proj, v_proj",
        (1536, 576): "gate_proj, up_proj",
        (576, 1536): "down_proj",
    }


def test_all_is_measured_and_right_and_summed_up_over_shapes():
    found = speed.measured(P)
    assert len(found) == 4 * 2 * 2 * 2 and (found["error"] < 1e-5).all()
    table = speed.summary(found).set_index(["way", "pattern", "tokens"])
    one = found.query("way == 'CSR' and pattern == '2:4' and tokens == 1")
    assert table.loc[("CSR", "2:4", 1), "lowest"] == one["ratio"].min()
    assert table.loc[("CSR", "2:4", 1), "highest"] == one["ratio"].max()
