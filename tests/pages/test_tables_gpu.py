"""What one GPU did, as pages show it: nothing but what the records say."""

from stade_book.pages.tables import gpu
from stade_book.studies import shipped


def test_products_are_counted_by_way_and_tokens():
    every, by = gpu.kernels(), gpu.by_tokens().set_index(["way", "tokens"])
    semi = every[(every["way"] == "semi-structured") & (every["tokens"] == 512)]
    assert by.loc[("semi-structured", 512), "highest"] == semi["ratio"].max()
    assert (by["lowest"] <= by["median"]).all() and (by["median"] <= by["highest"]).all()
    # What torch does not have in half precision says so, and is in no ratio.
    lacking = every[every["ratio"].isna()]
    assert lacking["said"].str.contains("not implemented").all() and len(lacking)
    assert set(every["way"]) - set(lacking["way"]) == {way for way, _ in by.index}


def test_the_engines_peak_is_a_part_of_the_model():
    for row in gpu.shapes().itertuples():
        assert row.block < row.peak < 16 and 0 < row.share < 1


def test_cells_of_both_devices_are_from_the_same_windows_and_sorted():
    found = gpu.on_both(["smollm2-135m"])
    assert len(found) == len(shipped.on_both("smollm2-135m")) > 50
    assert (found["apart"].abs().diff().dropna() <= 0).all()
    for cpu, gpu_row in shipped.on_both("smollm2-135m"):
        assert all(cpu[name] == gpu_row[name] for name in shipped.KEYS)
    said = gpu.agreement(found)
    assert said.startswith(f"{(found['apart'].abs() < 0.005).sum()} of {len(found)} perplexities")
