"""DiffEdit: find where an edit belongs by contrasting two texts, invert the picture, and denoise only there.

The modules beside this file are the method. ``denoiser`` is the contract with a model; ``contrast``, ``masks``,
``refine``, ``inversion``, ``decoding``, ``choosing`` and ``compositing`` are the steps; ``stages`` chains them on
latents and ``editing`` on pictures. Hosts bring the models and are imported by name: ``diffedit_core.hosts.diffusers``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .editing import Edit, Edited, edit, find_mask
    from .keeping import KeepSettings, Kept, keep_rest
    from .settings import EditSettings, MaskSettings

__all__ = ["Edit", "EditSettings", "Edited", "KeepSettings", "Kept", "MaskSettings", "edit", "find_mask", "keep_rest"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Each is imported when it is asked for: the command line then begins before torch is there."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    modules = (import_module(f".{module}", __name__) for module in ("editing", "keeping", "settings"))
    return next(getattr(module, name) for module in modules if hasattr(module, name))
