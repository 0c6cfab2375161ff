"""The generator of docs/methods/: what it takes from a docstring, and what it says of measured rows."""

import importlib
from pathlib import Path

import pytest

from undercoat.methods import METHODS

DOCS = Path(__file__).parents[1] / "docs"
HEAD = "arm,coats,steps,images_seen,readout,metric,eval_data,versus,value,ci_low,ci_high,n,std,seeds"


@pytest.fixture
def part(monkeypatch):
    """Import a module of the generator by name."""
    monkeypatch.syspath_prepend(str(DOCS))
    return lambda name: importlib.import_module(f"method_pages.{name}")


@pytest.fixture
def results(tmp_path):
    """A small table of results."""
    path = tmp_path / "methods.csv"
    path.write_text(
        "\n".join([
            HEAD,
            "random,,0,0,knn,accuracy,sample:openmoji,,0.5,0.48,0.52,609,,3",
            "simclr,base > simclr: simclr,60,1920,knn,accuracy,sample:openmoji,,0.6,0.57,0.63,609,0.01,3",
            "simclr,base > simclr: simclr,60,1920,knn,accuracy,sample:openmoji,random,0.1,0.05,0.15,609,,3",
            "slow,simclr: simclr (norms),600,19200,knn,accuracy,sample:openmoji,,0.4,0.37,0.43,609,,1",
            "slow,simclr: simclr (norms),600,19200,knn,accuracy,sample:openmoji,random,-0.1,-0.2,0.0,609,,1",
            "majority class,,,,knn,accuracy,sample:openmoji,,0.2,0.17,0.23,609,,1",
        ]),
        encoding="utf-8",
    )  # fmt: skip
    return path


def test_a_docstring_is_taken_apart(part):
    said = part("reading").said_of(
        """Tell *left* from right.

        Uses :class:`~undercoat.methods.parts.Queue` and ``flip``,
        twice.

        Args:
            backbone: carries the gradient.
            dim: P: its size,
                in all.
            seed: of the head.

        Raises:
            SpecError: never.

        A last word.

        Example:
            >>> 1

        Reference: A. 2020,
        eq. 1.
        """
    )
    assert said.first == "Tell *left* from right."
    assert said.prose == ["Uses `Queue` and `flip`, twice.", "A last word."]
    assert said.arguments == {
        "backbone": "carries the gradient.",
        "dim": "P: its size, in all.",
        "seed": "of the head.",
    }
    assert said.reference == "A. 2020, eq. 1."


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_what_it_is_and_what_its_arguments_mean(part, name):
    from undercoat.methods import check_arguments

    said = part("reading").said_of(METHODS[name].__doc__)
    assert said.first
    assert said.reference
    assert set(check_arguments(METHODS[name], {})) <= set(said.arguments)


@pytest.mark.parametrize(
    ("value", "written"),
    [(1e-4, "`0.0001`"), (True, "`true`"), (7, "`7`"), ("mlp", "`mlp`"), ((0.5, 0.999), "`[0.5, 0.999]`"),
     ({"tau": 1 / 3, "on": False}, "`{tau: 0.3333, on: false}`")],
)  # fmt: skip
def test_values_are_written_as_in_a_recipe(part, value, written):
    assert part("markdown").code(value) == written


def test_measured_rows_stand_beside_the_untrained_network(part, results):
    first, second = part("results").measured(results)["simclr"]
    assert (first.arm, first.steps, first.readout, first.n, first.seeds) == (
        "simclr",
        "60",
        "k-NN, openmoji",
        "609",
        "3",
    )
    assert (first.value, first.untrained) == ("0.600 (0.570 … 0.630)", "0.500")
    assert (first.difference, first.words) == ("+0.100 (+0.050 … +0.150)", "better")
    assert second.words == "within the noise"  # its interval touches zero
    assert set(part("results").measured(results)) == {"simclr"}


def test_a_page_has_numbers_only_where_there_are_some(part, results):
    about = {"title": "SimCLR", "kind": "contrastive", "batch": "large", "when": "Often."}
    writing = part("writing")
    assert "## Measured" not in writing.page("simclr", about, [])
    page = writing.page("simclr", about, part("results").measured(results)["simclr"])
    assert (
        "| simclr | 60 | k-NN, openmoji | 0.600 (0.570 … 0.630) | 0.500 | +0.100 (+0.050 … +0.150) | better |" in page
    )
    assert part("results").measured(results.with_name("nowhere.csv")) == {}
