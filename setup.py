"""What pyproject.toml cannot say: the wheel carries data/, and is made outside the checkout.

Setuptools would build in `build/`, which is the project's own, and take modules that are gone since
the last time into the next wheel.
"""

from tempfile import TemporaryDirectory

from setuptools import find_packages, setup

with TemporaryDirectory() as scratch:
    setup(
        packages=[*find_packages(include=["stade_nb*", "stade_book*"]), "stade_nb._data"],
        package_dir={"stade_nb._data": "data"},
        package_data={"stade_nb._data": ["**/*"]},
        # What a run makes: the built texts, and records.
        exclude_package_data={"stade_nb._data": ["corpus/*", "results/*"]},
        include_package_data=False,
        options={"build": {"build_base": scratch}},
    )
