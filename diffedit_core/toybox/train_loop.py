"""The loop that trains both models. It keeps a running average of the weights, and its checkpoints survive a kill."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)

Model = TypeVar("Model", bound=nn.Module)
Batch = tuple[Tensor, ...]  # [B, ...] each


@dataclass(frozen=True)
class Plan:
    """How a model is trained."""

    steps: int  # a plan with more of them resumes a finished training
    batch: int
    rate: float
    warmup: int = 200
    decay: float = 0.2  # share of the steps, at the end, in which the rate falls to zero
    average: float = 0.999  # share of the running average that a step keeps
    weight_decay: float = 0.01
    save_seconds: float = 180.0
    log_steps: int = 50
    workers: int = 1  # threads that share a batch: on a busy CPU better than threads that share each operation

    def rate_at(self, step: int) -> float:
        rise = min(1.0, (step + 1) / self.warmup)
        fall = min(1.0, (self.steps - step) / max(1.0, self.decay * self.steps))
        return self.rate * rise * fall


class Training(Generic[Model]):
    """A model in training: its weights, their running average, the optimizer, and the step that they have reached."""

    def __init__(self, model: Model, plan: Plan, folder: Path):
        self.model, self.plan, self.folder = model.to(best_device()), plan, folder
        self.average: Model = deepcopy(self.model).requires_grad_(False).eval()
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=plan.rate, betas=(0.9, 0.99), weight_decay=plan.weight_decay, fused=True
        )
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def resume(self) -> None:
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        logger.info("resumed %s at step %d", self.folder.name, self.step)

    def save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        draft = self.checkpoint.with_suffix(".draft")
        torch.save(state, draft)
        draft.replace(self.checkpoint)  # a kill leaves the old file or the new one, never half of one

    def run(
        self, batch_at: Callable[[int], Batch], loss_of: Callable[[Batch], Tensor], look: Callable[[], dict[str, float]]
    ) -> None:
        """Train to the end of the plan. Only the batches are random; ``look`` measures the averaged model."""
        self.resume()
        saved = began = time.monotonic()
        losses: list[float] = []
        self.model.train()
        with ThreadPoolExecutor(self.plan.workers) as pool:
            while self.step < self.plan.steps:
                losses.append(self._advance(pool, batch_at(self.step), loss_of))
                if self.step % self.plan.log_steps == 0:
                    now = time.monotonic()
                    self._record(loss=sum(losses) / len(losses), steps_per_second=len(losses) / (now - began))
                    losses, began = [], now
                if time.monotonic() - saved > self.plan.save_seconds or self.step == self.plan.steps:
                    self.save()
                    self._record(**look())
                    saved = began = time.monotonic()
                    losses = []

    def _advance(self, pool: ThreadPoolExecutor, batch: Batch, loss_of: Callable[[Batch], Tensor]) -> float:
        parameters = list(self.model.parameters())

        def share(part: Batch) -> tuple[float, tuple[Tensor, ...]]:
            loss = loss_of(part)
            return loss.item(), torch.autograd.grad(loss, parameters)

        results = list(pool.map(share, zip(*(x.chunk(self.plan.workers) for x in batch), strict=True)))
        for parameter, *parts in zip(parameters, *(gradients for _, gradients in results), strict=True):
            parameter.grad = sum(parts[1:], parts[0]) / len(parts)
        self._update()
        return sum(loss for loss, _ in results) / len(results)

    @torch.no_grad()
    def _update(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate_at(self.step)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        # the average forgets faster early on, while the weights still change a lot
        keep = min(self.plan.average, (1 + self.step) / (10 + self.step))
        for mine, theirs in zip(self.average.parameters(), self.model.parameters(), strict=True):
            mine.lerp_(theirs, 1 - keep)

    def _record(self, **numbers: float) -> None:
        row = {"step": self.step, **{name: round(value, 5) for name, value in numbers.items()}}
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        logger.info("%s %s", self.folder.name, row)


def best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision(device: torch.device) -> torch.autocast:
    """bfloat16 where the machine has it: twice as fast on some. A CPU without AVX512 imitates it, 25 times slower."""
    native = device.type != "cpu" or torch.backends.cpu.get_cpu_capability() == "AVX512"
    return torch.autocast(device.type, torch.bfloat16, native, cache_enabled=False)  # threads share the cache
