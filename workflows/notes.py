"""The notes in the example graphs."""

from __future__ import annotations

STEPS = """1. Choose your picture, of any size.
2. Write the two texts.
3. Press Run."""

STEPS_OF_MAKING = """1. Write what to make: that is the source text.
2. Write the same with one thing changed: that is the target text.
3. Press Run."""


STEPS_OF_A_CLIP = """1. Choose your clip: its frames, as they are.
2. Write the two texts.
3. Press Run."""

STEPS_OF_TELLING = """1. Choose your picture.
2. Tell the model what to change; and, in the same words, what would change nothing.
3. Press Run."""


STEPS_OF_KEEPING = """1. Choose the picture as it was.
2. Choose the same picture, edited by anything: a model, a service, a paint program. It may have another size.
3. Press Run."""

STEPS_OF_ORDERING = """1. Choose your picture, of any size.
2. Tell the model what to change.
3. Press Run."""

BY_THE_DEMO = "(The picture in the list of templates was made with the demo model.)"
KEPT_SCENE = "(The picture in the list of templates shows a scene of the demo, edited, moved and tinted.)"


def intro(what: str, steps: str, models: str, since: str, shown: str) -> str:
    needs = f" Needs ComfyUI {since} or later." if since else ""
    return f"""{what}{needs}

{steps}

Models: {models}

{shown}"""


DEMO = """**Press Run.** Nothing is downloaded: a small model comes with the pack. It knows one small world \
of coloured shapes.

Demo Scene makes a picture, a text that says what is in it, and a text that says what should be in it instead. \
DiffEdit finds where the two texts differ, and changes the picture there.

- For another picture or another edit, change **seed** or **kind** in Demo Scene.
- Or write your own texts, with the same words: *a red circle and a blue star on a striped cloth*

For your own pictures, open one of the templates **Change one thing, keep the rest**."""

TEXTS = """Write the **same sentence twice**, and change only the words that describe the edit.

- *source*: what is there
- *target*: what should be there instead

The mask is where the model sees a difference. Each further word that differs makes it larger. \
The negative text says what to keep away from, and may stay empty."""

CUTTING = """The mask is cut from the heatmap **here**, so changing these settings runs no model.

- too large: raise **value** (above 1), or let fewer words differ
- too small: lower **value** (below 1), or raise **grow**
- specks and holes: **min_island**, **fill_holes**, **keep_largest**
- ragged: **edge_snap** follows the picture's edges
- in the wrong place: say in both texts where the thing is, or use more **draws** in DiffEdit Mask

DiffEdit Mask says on the node what kind of edit it found. If that is wrong, set **kind** there. Where something is \
added, it makes a draft of it first, and the mask is cut around the new thing in the draft.

If the picture is large, **Look closer** cuts out what the mask holds, and finds the mask there again, in more detail. \
It says on the node what it shows."""

TWO_EDITS = """Each edit has its own two texts, finds its own mask, and is drawn as if it were the only one. \
**One More Edit** hands the second to Masked Denoise; chain more of these nodes for more edits.

- Let each pair of texts speak of its own edit alone.
- Where the masks meet, the edit with the stronger heat has the place; **overlap** in Masked Denoise can mix them.
- A mask that you draw yourself works too: connect it instead of Mask Refine's.
- If one edit takes something that it should not, connect a text that names it to **keep** in its DiffEdit Mask: \
*a straw hat*."""

GROWING = """An inpainting checkpoint likes a generous mask: it only sees what is around it.

- too small: raise **grow**
- too large: let fewer words differ, or connect the **heatmap** here and choose a **rule**
- specks and holes: **min_island**, **fill_holes**, **keep_largest**

Changing these settings does not run the model again."""

DRAWING = """- **strength** (DDIM Invert): how far the picture is turned into noise; higher changes more
- **guidance** (Masked Denoise): how strongly the target text is followed
- **seed**: if it draws the wrong thing or nothing new, use another one
- **tries**: makes several attempts and keeps the one that the model itself judges closest to the target text
- **room**: pixels around the mask for a new thing of another shape. Paste Back keeps only what changed there
- **background**: what stands outside the mask; retrace: the picture's own trajectory; noised: plain inpainting"""

EDITING = f"""{DRAWING}

At the end, Paste Back puts the original pixels back: outside the mask, the saved file equals the picture exactly."""

FILLING = """The inpainting checkpoint sees the picture without what is under the mask, and fills that in \
under the target text.

At the end, Paste Back puts the original pixels back: outside the mask, the saved file equals the picture exactly."""

RULES = """The heatmap shows where the two texts make a difference to the model. A **rule** cuts a mask from it:

- **otsu**: splits it into two classes
- **ratio**: diffusers' rule
- **minmax**: the paper's rule

Settings after this point take effect at once. More **draws** make the heatmap less noisy."""

TURBO = """A distilled model needs one to four steps and no guidance, and was made for 512 pixels. So here:

- **guidance** is 1, everywhere
- **steps** is 4, at its own noise levels (**scheduler** sgm_uniform), and **strength** 0.75: three of them are run
- **background** is noised: such a model can hardly be inverted, and this way it need not be
- **area** is 0.26 megapixels in both Focus nodes

These settings follow from how the model was made. They have not been measured."""

TELLING = """Write the **same order twice**, and change only the words that make the difference.

- *source*: tells it to make what is there already: *make her dress pink*
- *target*: tells it what you want: *make her dress blue*

The model follows the target text. The mask is where the two orders make a difference to it."""

CUTTING_TOLD = """The mask is cut from the heatmap **here**, so changing these settings runs no model.

- too large: raise **value** (above 1), or let fewer words differ
- too small: lower **value** (below 1), or raise **grow**
- specks and holes: **min_island**, **fill_holes**, **keep_largest**

Both texts go with the same picture as their reference. If one had another, the heatmap would show the reference. \
Nothing is drafted here: where a new thing goes, the model chooses itself, so say where in the text."""

OUTLINES = """**Canny** draws the outlines of the picture, and the ControlNet makes the model follow them, under \
both texts. So the new thing keeps the outlines of the old one, and the mask shows what else differs.

The model sees the outlines of the whole picture when it looks for the mask, and those of the cut-out when it draws.

- too strict: lower **strength** or **end_percent** in Apply ControlNet, in both places
- too many lines: raise **high_threshold** in Canny

Another ControlNet works in the same way: depth, pose, line art."""

DEPTH = """This SD2 was trained with a depth map as a fifth channel. So it needs one, always: ComfyUI has no node \
for that, and **Model with Depth** hands it over.

**Lotus** estimates the depth, of the whole picture for the mask and of the cut-out for the edit. The new thing \
keeps the shape of the old one.

For your own depth map, connect it to Model with Depth. Bright is near."""

STRENGTHS = """All four are the same edit, in the same mask. A higher **strength** changes more, and another \
**seed** draws another thing.

Set the strengths in the two DDIM Invert nodes, and the seeds in the four Masked Denoise nodes. For more, copy a \
Masked Denoise with what follows it."""

LAYERS = """**CLIP Set Last Layer** chooses which layer of the text encoder the model reads the texts from. Most \
SD1.5 checkpoints were trained on the last one (-1), many that draw anime on the one before (-2).

Texts that are read elsewhere differ elsewhere: so the mask changes, and what is drawn in it. Use the layer that \
your checkpoint was trained with."""

TWO_FILLINGS = """Both fill the same mask under the same text, through KSampler.

- The **inpainting checkpoint** has nine channels: it also sees the mask, and the picture without what is under it. \
So what it draws fits in.
- The **plain checkpoint** sees only noise there, and what is around it while it draws.

DiffEdit itself is a third way: it starts from the picture, turned into noise."""

INSTRUCTION = """InstructPix2Pix is told what to do, in one sentence: *make her dress blue*. It has eight channels, \
and sees the whole picture in four of them. It finds no mask, so the rest changes too.

In the third row its result is kept in our mask only, and everything else is your picture.

- changes too little: raise **cfg**
- changes too much: lower it, to 4 or 5"""

SHADES = """Rule **grey** in Mask Refine cuts nothing. Where the two texts differ most, the mask is white; where they \
differ less, it is grey. Such a mask can say **how strongly** each place may change.

- **Masked Denoise** reads it so with **greys** at strength: white is drawn anew, grey goes back into less noise \
and keeps the large shapes that are there.
- ComfyUI's own **Differential Diffusion** reads the same mask in the same way, in KSampler.

A mask that you paint with a soft brush does even better: connect it instead of the grey one."""

MAKING = """**Text to picture** makes something new from noise. **Picture to picture** starts from a picture with \
noise on it: the new text changes what it should, and all the rest changes with it.

DiffEdit changes the one thing that the two texts disagree about. Compare the three saved pictures.

The **negative text** says what to keep away from, in all three."""

CLIPS = """- There is one mask for all frames: it covers what changes in any of them.
- A mask that you have already works too: connect it instead of Mask Refine's.
- Wan works on 1, 5, 9, ... frames, LTX on 1, 9, 17, ... What is over at the end of your clip stays as it was."""

WRITING = """A text encoder that sees the picture is asked for two texts that differ in as few words as possible. \
It answers in JSON, from which both are read. You see them below.

- If a text is wrong, say more plainly **what should change**, or write the text yourself: disconnect it above \
(*Source*, *Target*), and paste it there.
- If both are empty, the model did not answer in JSON: set **sampling_mode** to *on* and try another seed, or take a \
larger model.

Extract Text from JSON is there since ComfyUI 0.19.2, and Generate Text since 0.15. In an older one they are red."""

KEEPING = """Most models that edit by a text also move, zoom or tint the rest of the picture. **Keep the Rest** lays \
the edited picture onto the original, takes the tint off, and finds what was meant to change. Only that comes into \
the original, at its full size. It needs no model, and no graphics card.

- something is missing: raise **sensitivity**
- too much comes along: lower it, or paint a mask on the original (right click, *Open in Mask Editor*) and connect it \
to **mask**
- for a mask from two texts, connect the **heatmap** of DiffEdit Mask"""

NOT_KEPT = """In the middle you see what comes from the edited picture. All else equals the original, to the pixel.

If everything was changed, as for a new style, there is no rest to keep. Then the node says so; with **refused** at \
*edited* it hands on the edited picture, laid onto the original.

For a clip, connect its frames before and after, and turn **clip** on."""
