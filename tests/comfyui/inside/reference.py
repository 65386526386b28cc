"""Run by the project's own interpreter, which has diffusers: a model, and what the diffusers host makes of it.

Writes a pipeline's folder, with fresh weights in the bundled model's sizes, and reference.pt beside it.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[3]))

from diffusers import DDIMScheduler, StableDiffusionPipeline

from diffedit_core import stages
from diffedit_core.choosing import decode_best
from diffedit_core.contrast import contrast
from diffedit_core.decoding import retrace
from diffedit_core.draws import Draws, seeded_noise
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.inversion import invert
from diffedit_core.settings import ContrastSettings, DecodingSettings
from diffedit_core.strength import levels_up_to, schedule, sigma_at
from diffedit_core.toybox import model as toybox

SOURCE, TARGET = "a red circle on a wooden table, and a star", "a blue square on a wooden table, and a star"
STEPS, STRENGTH, DRAWS, GUIDANCE, TRIES = 20, 0.6, 4, 3.0, 3
LOOK = ContrastSettings(draws=DRAWS, guidance=GUIDANCE, drafts=2)
EDIT = DecodingSettings(guidance=GUIDANCE, tries=TRIES)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    tokenizer = toybox.new_tokenizer()
    pipe = toybox.assemble(toybox.new_autoencoder(0), toybox.new_denoiser(0, tokenizer), tokenizer)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in [*pipe.unet.parameters(), *pipe.text_encoder.parameters()]:  # untrained, it hardly hears a text
            weight.add_(torch.randn(weight.shape, generator=draw) * 1.5 / max(1, weight[0].numel()) ** 0.5)
    toybox.export(pipe, folder)
    pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32, safety_checker=None)
    picture = torch.rand((1, 128, 128, 3), generator=torch.Generator().manual_seed(0))
    reference = {"picture": picture, "epsilon": answers(pipe, picture)}
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, prediction_type="v_prediction")
    reference["v_prediction"] = answers(pipe, picture)
    torch.save(reference, folder / "reference.pt")


@torch.no_grad()
def answers(pipe: StableDiffusionPipeline, picture: torch.Tensor) -> dict:
    host = DiffusersHost(pipe)
    model = host.bind({"source": SOURCE, "target": TARGET, "inversion": SOURCE})
    x0 = host.encode(picture)
    sigmas = levels_up_to(STRENGTH, schedule(host.process, STEPS))
    trajectory = invert(model.denoiser("inversion"), x0, host.process, sigmas, iterations=1)
    mask = (torch.arange(16) < 8).float().expand(1, 1, 16, 16)
    pair = model.denoiser_pair("source", "target")
    edited = decode_best(
        model.denoiser("target", GUIDANCE),
        pair,
        mask,
        retrace(trajectory),
        process=host.process,
        draws=Draws.of(3),
        tries=TRIES,
    )
    look, added = (
        stages.look(model, x0, replace(LOOK, kind=kind, drafts=drafts), Draws.of(3))
        for kind, drafts in (("auto", 0), ("addition", 2))
    )
    gone_on = stages.redraw(model, trajectory, mask, EDIT, Draws.of(3), change=added.draft - x0)
    return {
        "text": host.embed(SOURCE),
        "latent": x0,
        "decoded": host.decode(x0),
        "heatmap": contrast(
            pair,
            x0,
            host.process,
            sigma_at(host.process, 0.5),
            noise=seeded_noise(3),
            draws=DRAWS,
        ).heatmap,
        "sigmas": sigmas,
        "trajectory": trajectory.latents,
        "edited": edited,
        "look": {"heatmap": look.heatmap, "agreement": look.agreement, "kinds": look.kinds},
        "added": {"heatmap": added.heatmap, "agreement": added.agreement, "kinds": added.kinds, "draft": added.draft},
        "gone on": gone_on,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
