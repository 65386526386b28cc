"""The notes in the example graphs."""

INTRO = """{}

1. Choose your picture, of any size.
2. Write the two texts.
3. Press Run.

Checkpoint: {}

(The picture in the list of templates was made with the demo model.)"""

DEMO = """**Press Run.** Nothing is downloaded: a small model comes with the pack. It knows one small world \
of coloured shapes.

Demo Scene makes a picture, a text that says what is in it, and a text that says what should be in it instead. \
DiffEdit finds where the two texts differ, and changes the picture there.

- For another picture or another edit, change **seed** or **kind** in Demo Scene.
- Or write your own texts, with the same words: *a red circle and a blue star on a striped cloth*

For your own pictures, open the template **diffedit**."""

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

EDITING = """- **strength** (DDIM Invert): how far the picture is turned into noise; higher changes more
- **guidance** (Masked Denoise): how strongly the target text is followed
- **seed**: if it draws the wrong thing or nothing new, use another one
- **tries**: makes several attempts and keeps the one that the model itself judges closest to the target text
- **room**: pixels around the mask for a new thing of another shape. Paste Back keeps only what changed there
- **background**: what stands outside the mask; retrace: the picture's own trajectory; noised: plain inpainting

At the end, Paste Back puts the original pixels back: outside the mask, the saved file equals the picture exactly."""

FILLING = """The inpainting checkpoint sees the picture without what is under the mask, and fills that in \
under the target text.

At the end, Paste Back puts the original pixels back: outside the mask, the saved file equals the picture exactly."""

RULES = """The heatmap shows where the two texts make a difference to the model. A **rule** cuts a mask from it:

- **otsu**: splits it into two classes
- **ratio**: diffusers' rule
- **minmax**: the paper's rule

Settings after this point take effect at once. More **draws** make the heatmap less noisy."""
