"""Run by the project's own interpreter, which has diffusers: a small SDXL, and what the diffusers host makes of it.

Writes the UNet's folder and reference.pt.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[3]))

from families import sdxl

from diffedit_core.contrast import contrast
from diffedit_core.draws import seeded_noise
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.inversion import invert
from diffedit_core.strength import levels_up_to, schedule, sigma_at

TEXTS = {"source": "a bowl of apples", "target": "a bowl of pears", "inversion": "a bowl of apples"}


@torch.no_grad()
def main(folder: Path) -> None:
    torch.set_num_threads(1)
    pipe = sdxl(sizes=256)  # of the numbers that say how large a picture is, ComfyUI's are always so long
    pipe.unet.save_pretrained(folder / "unet", safe_serialization=True)
    host = DiffusersHost(pipe)
    model = host.bind(TEXTS)
    x0 = host.encode(torch.rand((1, 128, 160, 3), generator=torch.Generator().manual_seed(0)))
    how = {"noise": seeded_noise(3), "draws": 4}
    sigmas = levels_up_to(0.6, schedule(host.process, 20))
    found = contrast(model.denoiser_pair("source", "target"), x0, host.process, sigma_at(host.process, 0.5), **how)
    reference = {
        "texts": {role: host.embed(text) for role, text in TEXTS.items()},
        "latent": x0,
        "heatmap": found.heatmap,
        "sigmas": sigmas,
        "trajectory": invert(model.denoiser("inversion"), x0, host.process, sigmas, iterations=1).latents,
    }
    torch.save(reference, folder / "reference.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
