"""DiffEdit: find where an edit belongs by contrasting two texts, invert the picture, and denoise only there.

The modules beside this file are the method. ``denoiser`` is the contract with a model; ``contrast``, ``masks``,
``refine``, ``inversion``, ``decoding``, ``choosing`` and ``compositing`` are the steps; ``stages`` chains them on
latents and ``editing`` on pictures. Hosts bring the models and are imported by name: ``diffedit_core.hosts.diffusers``.
"""

from .editing import Edit, Edited, edit, find_mask
from .keeping import KeepSettings, Kept, keep_rest
from .settings import EditSettings, MaskSettings

__all__ = ["Edit", "EditSettings", "Edited", "KeepSettings", "Kept", "MaskSettings", "edit", "find_mask", "keep_rest"]
__version__ = "0.1.0"
