"""Adversarial losses written as slow loops over single numbers."""

import math


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def discriminator_loss(real, fake):
    """Half the mean cost of calling real pairs real, and half that of calling fake ones fake."""
    of_real = sum(-math.log(sigmoid(logit)) for logit in real) / len(real)
    of_fake = sum(-math.log(1 - sigmoid(logit)) for logit in fake) / len(fake)
    return 0.5 * of_real + 0.5 * of_fake


def encoder_generator_loss(real, fake):
    """Half the mean cost of calling real pairs fake, and half that of calling fake ones real."""
    of_real = sum(-math.log(1 - sigmoid(logit)) for logit in real) / len(real)
    of_fake = sum(-math.log(sigmoid(logit)) for logit in fake) / len(fake)
    return 0.5 * of_real + 0.5 * of_fake
