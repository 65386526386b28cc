"""A diffusers pipeline as denoisers, with its autoencoder and its text encoders: Stable Diffusion, SD3 and Flux."""

from .bound import BoundTexts
from .controls import CONTROLS
from .host import DiffusersHost
from .loading import be_quiet
from .memory import Memory

__all__ = ["CONTROLS", "BoundTexts", "DiffusersHost", "Memory", "be_quiet"]
