"""The notes about what a model wants, and what is not known about it."""

from __future__ import annotations

UNMEASURED = """These settings are those of ComfyUI's own template for this model, or follow from how it was made. On \
small random models of this kind the graph runs, and what is outside the mask stays exactly as it was. How good the \
mask and the edit are on the real model **has not been measured**."""


def distilled(steps: int) -> str:
    return f"""This model needs {steps} steps and no guidance. So here:

- **guidance** is 1, everywhere; the negative text says nothing
- **steps** is {steps}; **strength** says how many of these are run
- **background** is noised: such a model can hardly be inverted, and this way it needs not be

- changes too little: raise **strength**, or write more plainly what should be there
- changes too much: lower it, or use a few steps more

{UNMEASURED}"""


SD35 = f"""**guidance** is 4, as the model likes it, and **steps** 20. The text encoders are in the model's file.

{UNMEASURED}"""

QWEN_IMAGE = f"""**guidance** is 4, as the model likes it, **steps** 20, and **shift** 3.1.

For a Lightning LoRA, which needs 8 steps: set **steps** to 8, **guidance** to 1 everywhere, and **background** to \
noised.

{UNMEASURED}"""

FLUX = f"""Flux.1 takes its guidance beside the text, from **Flux Guidance**. So here:

- **guidance** is 1 in DiffEdit Mask and in Masked Denoise
- each text has its own Flux Guidance: set both alike
- the inversion follows nothing, with a guidance of 1

- changes too little: raise **guidance** in Flux Guidance, for both texts
- on a small graphics card: an fp8 version of the model, by **weight_dtype** in its loader

{UNMEASURED}"""

WAN = f"""**guidance** is 5, **steps** 20, and **shift** 8. Wan 2.2 (5B) likes clips of 1280x704 pixels, and up to \
121 frames.

- in less memory: a smaller or a shorter clip
- **Save Video** compresses. What comes out of Paste Back equals your clip outside the mask, in every frame; to keep \
that, save the frames with Save Image.

{UNMEASURED}"""

LTX = f"""LTX-2.5 is distilled: it needs 8 steps and no guidance. So **guidance** is 1 everywhere, and **background** \
is noised. It also makes sound; here it sees the frames alone, and your clip keeps the sound that it has.

- **Save Video** compresses. What comes out of Paste Back equals your clip outside the mask, in every frame; to keep \
that, save the frames with Save Image.

{UNMEASURED}"""

ALL_OF_IT = """The model draws the whole picture anew, and moves or tints what it should leave alone. Paste Back keeps \
what is in the mask, and puts your own pixels back everywhere else."""

QWEN_IMAGE_EDIT = f"""{ALL_OF_IT}

- 40 steps, **cfg** 4, as in ComfyUI's own template
- The reference is the very latent of what is edited, cell on cell. Text Encode Qwen Image Edit Plus would make one \
of another size, if it had the VAE.

{UNMEASURED}"""

KONTEXT = f"""{ALL_OF_IT}

- 20 steps, **cfg** 1, **guidance** 2.5 beside the text, as in ComfyUI's own template
- It likes pictures of about a megapixel.

{UNMEASURED}"""

KLEIN = f"""{ALL_OF_IT}

- 4 steps, **cfg** 1, as in ComfyUI's own template for the distilled model

{UNMEASURED}"""
