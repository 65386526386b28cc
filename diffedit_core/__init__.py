"""DiffEdit: find where an edit belongs by contrasting two texts, invert the picture, and denoise only there.

The method is in ``denoiser`` (the contract), ``contrast``, ``masks``, ``refine``, ``inversion``, ``decoding`` and
``compositing``; ``editing`` chains them on any host. Hosts are imported by name: ``diffedit_core.hosts.diffusers``.
"""

from .editing import EDIT_MASK, Edit, EditSettings, MaskSettings, edit, find_mask

__all__ = ["EDIT_MASK", "Edit", "EditSettings", "MaskSettings", "edit", "find_mask"]
__version__ = "0.1.0"
