"""Adversarial losses as pure functions of the discriminator's logits: tensors in, a number out."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

__all__ = ["discriminator_loss", "encoder_generator_loss"]


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Cross-entropy of telling (image, its code) from (generated image, its code).

    ½ mean(−log σ(real)) + ½ mean(−log(1 − σ(fake))).

    Args:
        real: (B,) logits of pairs (x, E(x)); high means "real".
        fake: (B,) logits of pairs (G(z), z).

    Returns:
        (), in nats; log 2 at chance.

    Example:
        >>> import torch
        >>> round(discriminator_loss(torch.zeros(2), torch.zeros(2)).item(), 4)  # log 2
        0.6931

    Reference: Donahue, Krähenbühl & Darrell 2017, eq. 3, as a loss that the discriminator minimises.
    """
    return 0.5 * (softplus(-real.float()).mean() + softplus(fake.float()).mean())


def encoder_generator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """The same cross-entropy with the labels swapped: what encoder and generator minimise together.

    ½ mean(−log(1 − σ(real))) + ½ mean(−log σ(fake)). Its gradient does not vanish where the discriminator is
    sure, unlike that of the negated discriminator loss.

    Args:
        real: (B,) logits of pairs (x, E(x)); the encoder lowers them.
        fake: (B,) logits of pairs (G(z), z); the generator raises them.

    Returns:
        (), in nats; log 2 at chance.

    Example:
        >>> import torch
        >>> round(encoder_generator_loss(torch.tensor([9.0]), torch.tensor([-9.0])).item(), 3)
        9.0

    Reference: Donahue, Krähenbühl & Darrell 2017, section 3.4 (the swapped objective).
    """
    return discriminator_loss(fake, real)
