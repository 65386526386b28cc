"""Makes the bundled model from nothing: ``python -m diffedit_core.toybox.train``.

It trains the autoencoder, encodes scenes, trains the denoiser on them and exports the model. Each stage saves as it
goes, and a second call resumes where the first one stopped. The folder gets the loss curves (log.jsonl) and sample
pictures (samples.png) of both models. Two CPU cores take six hours, and more steps make the model better. The same
seeds give the same data.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

import cv2
import torch
from diffusers import AutoencoderKL

from . import WEIGHTS
from .model import SCALING_FACTOR, assemble, export, new_tokenizer, standardized
from .scenes import TRAIN_SEEDS
from .train_autoencoder import held_out_psnr, train_autoencoder
from .train_diffusion import encode, encode_scenes, following_rate, train_denoiser
from .train_loop import Plan

logger = logging.getLogger(__name__)

ON_CPU = (
    Plan(steps=5500, batch=16, rate=1e-3),
    Plan(steps=50000, batch=32, rate=1e-3, decay=0.5, save_seconds=480),
    20_000,
)
"""The plans for the autoencoder and the denoiser, and the number of scenes that the denoiser sees."""

ON_GPU = (Plan(steps=6000, batch=64, rate=1e-3), Plan(steps=20000, batch=256, rate=1e-3, decay=0.5), 100_000)


def main() -> None:
    arguments = parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    autoencoder_plan, denoiser_plan, scenes = plans(arguments)
    tokenizer = new_tokenizer()
    autoencoder = unit_variance(train_autoencoder(arguments.folder / "autoencoder", autoencoder_plan))
    logger.info("autoencoder: %.2f dB on held-out scenes", held_out_psnr(autoencoder, 100))
    latents = encode_scenes(autoencoder, arguments.folder / "latents", scenes, denoiser_plan.workers)
    denoiser = train_denoiser(arguments.folder / "denoiser", denoiser_plan, latents, autoencoder, tokenizer)
    pipe = assemble(autoencoder, denoiser, tokenizer)
    export(pipe, arguments.export)
    rate, _ = following_rate(pipe, 200)
    logger.info("captions followed: %.1f %% of 200; the model is in %s", 100 * rate, arguments.export)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m diffedit_core.toybox.train", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/toybox"), help="checkpoints, logs and samples")
    parser.add_argument("--export", type=Path, default=WEIGHTS, help="where the finished model goes")
    parser.add_argument("--autoencoder-steps", type=int, help="default: 5500 on a CPU, 6000 on a GPU")
    parser.add_argument("--steps", type=int, help="of the denoiser; default: 50000 on a CPU, 20000 on a GPU")
    parser.add_argument("--scenes", type=int, help="encoded for the denoiser; default: 20000 on a CPU, 100000 on a GPU")
    return parser.parse_args()


def plans(arguments: argparse.Namespace) -> tuple[Plan, Plan, int]:
    autoencoder, denoiser, scenes = ON_GPU if torch.cuda.is_available() else ON_CPU
    workers = 1 if torch.cuda.is_available() else torch.get_num_threads()
    torch.set_num_threads(1)  # the workers share the cores instead
    autoencoder = replace(autoencoder, workers=workers, steps=arguments.autoencoder_steps or autoencoder.steps)
    denoiser = replace(denoiser, workers=workers, steps=arguments.steps or denoiser.steps)
    return autoencoder, denoiser, arguments.scenes or scenes


def unit_variance(autoencoder: AutoencoderKL) -> AutoencoderKL:
    sample = encode(autoencoder, TRAIN_SEEDS[:400]) / SCALING_FACTOR  # [400, 4, h, w]
    return standardized(autoencoder, sample.to(autoencoder.device))


if __name__ == "__main__":
    main()
