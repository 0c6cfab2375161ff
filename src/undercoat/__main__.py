"""``python -m undercoat``, and what ``torchrun -m undercoat`` starts."""

from undercoat.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
