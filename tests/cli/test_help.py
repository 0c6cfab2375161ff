"""Help pages: of the whole, and of a group of commands."""

from undercoat.cli import main


def test_a_group_of_commands_has_a_help_page(capsys):
    assert main(["study", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "undercoat study tables" in shown
    assert "undercoat pretrain" not in shown
