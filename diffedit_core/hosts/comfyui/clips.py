"""Clips: how pictures lie in latent frames, and masks that are of the one or of the other.

An autoencoder for clips takes the first picture alone, and then groups of several. What does not fill a group at the
end it leaves out, so a clip may come back a few pictures shorter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...batches import check_batch

GROUPS = (4, 6, 8)
"""How many pictures autoencoders take in a group."""


@dataclass(frozen=True)
class Clips:
    """What latents [B, C, T, h, w] hold. Pictures [B, C, h, w] are clips of one picture."""

    count: int  # B
    frames: int  # T
    group: int  # pictures to a latent frame, all but the first

    @classmethod
    def of(cls, samples: Tensor, group: int) -> Clips:
        return cls(len(samples), samples.shape[2] if samples.ndim == 5 else 1, group)

    @property
    def is_still(self) -> bool:
        return self.frames == self.group == 1

    @property
    def pictures(self) -> int:
        """In each clip, once it is decoded."""
        return 1 + (self.frames - 1) * self.group

    def by_frame(self, masks: Tensor) -> Tensor:
        """Masks [n, H, W], one a picture -> one a latent frame: what those of its group hold. Others stay as they are:
        one for all, one a clip, one a latent frame.
        """
        given = self._pictures_of(masks)
        if given is None:
            return masks
        planes = masks.unflatten(0, (self.count, given))
        groups = planes[:, 1 : self.pictures].unflatten(1, (self.frames - 1, self.group)).amax(2)
        return torch.cat([planes[:, :1], groups], 1).flatten(0, 1)

    def by_picture(self, masks: Tensor) -> Tensor:
        """The same masks for the decoded pictures: one for all, or one for each."""
        given = self._pictures_of(masks)
        if len(masks) == 1 or self.is_still:
            return masks
        if given is not None:
            return masks.unflatten(0, (self.count, given))[:, : self.pictures].flatten(0, 1)
        frames = masks.unflatten(0, (self.count, -1)).expand(-1, self.frames, -1, -1)
        owners = [0, *(i for i in range(1, self.frames) for _ in range(self.group))]
        return frames[:, owners].flatten(0, 1)

    def _pictures_of(self, masks: Tensor) -> int | None:
        """How many pictures of each clip the masks are of. None where they are of something else."""
        if self.is_still:
            check_batch({"masks": len(masks), "images": self.count})
        if self.is_still or len(masks) in (1, self.count, self.count * self.frames):
            return None
        given, over = divmod(len(masks), self.count)
        if over or 1 + (given - 1) // self.group != self.frames:
            raise ValueError(
                f"{len(masks)} masks for {self.count} clips of {self.frames} latent frames each; give one mask for "
                f"all, one for each clip, {self.count * self.frames} for the latent frames, or "
                f"{self.count * self.pictures} for the pictures"
            )
        return given


def left_over(pictures: int, kept: int) -> int:
    """How many pictures at the end of a clip its autoencoder left out. 0 if that is not why fewer came back."""
    is_cut = kept > 1 and any(kept == 1 + (pictures - 1) // group * group for group in GROUPS)
    return pictures - kept if is_cut else 0


def check_clip(counts: Mapping[str, int]) -> int:
    """The size of the batch, where all but the first may lack the end of a clip."""
    whole = next(iter(counts.values()))
    return check_batch({name: whole if left_over(whole, count) else count for name, count in counts.items()})


def row_of(batch: Tensor, row: int) -> Tensor | None:
    """[1, ...] of a batch that is one for all, or that may lack the end of a clip."""
    return batch if len(batch) == 1 else batch[row : row + 1] if row < len(batch) else None
