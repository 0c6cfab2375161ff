"""What was read layer by layer is printed layer by layer."""

from undercoat.cli.printing import rows
from undercoat.records import Record


def test_every_layer_of_every_arm_is_printed(capsys):
    measured = [
        Record(arm=arm, readout="linear", layer=layer, metric="accuracy", value=value, n=50, eval_data="sample:digits")
        for arm, values in (("random", (0.5, 0.4)), ("[b]run", (0.6, 0.7)))
        for layer, value in zip(("conv1", "final"), values, strict=True)
    ]
    assert rows(measured) == 0
    printed = capsys.readouterr().out
    assert "Linear on digits by layer, n = 50" in printed
    lines = [line.split() for line in printed.splitlines()]
    assert ["arm", "conv1", "features"] in lines
    assert ["[b]run", "0.600", "0.700"] in lines


def test_one_layer_has_no_table_of_its_own(capsys):
    rows([Record(arm="a", readout="linear", metric="accuracy", value=0.5, n=50)])
    assert "by layer" not in capsys.readouterr().out
