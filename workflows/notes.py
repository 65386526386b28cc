"""What the example graphs say to their readers."""

INTRO = """{}

1. Choose your picture.
2. Write the two texts.
3. Press Run.

The checkpoint: {}

(The picture in the list of templates was made with the demo model.)"""

DEMO = """**Press Run.** Nothing is downloaded: the model is bundled, and knows one small world of coloured shapes.

The scene node makes a picture, a text that says what is in it, and a text that says what shall be in it instead. \
DiffEdit finds where the two differ and changes the picture there.

- another **seed** or **kind** in the scene node: another picture, another edit
- or write your own texts, in the same words: *a red circle and a blue star on a striped cloth*

For your own pictures open the template **diffedit**."""

TEXTS = """Say the **same sentence twice**, and let it differ only in what shall change.

- *source*: what is there
- *target*: what shall be there instead

The mask is where the model cares about the difference: every further word that differs makes it larger."""

CUTTING = """The mask is cut from the heatmap **here**, so turning this node's knobs runs no model.

- too large: raise **value** (otsu: above 1), or use fewer different words
- too small: lower **value** (otsu: below 1), or raise **grow**
- crumbs and holes: **min_island**, **fill_holes**, **keep_largest**
- frayed: **edge_snap** follows the picture's edges
- elsewhere: say in both texts what stands where, or take more **draws** in the node before"""

GROWING = """An inpainting checkpoint likes a generous mask: it sees only what is around it.

- too small: raise **grow**
- too large: use fewer different words, or connect the **heatmap** here and choose a **rule**
- crumbs and holes: **min_island**, **fill_holes**, **keep_largest**

Turning this node's knobs does not find the mask anew."""

EDITING = """- **strength** (Invert): how far the picture is taken apart; higher changes more
- **guidance** (Denoise): how hard it is led to the target text
- **seed** (Denoise): the wrong thing drawn, or none? Try another
- **tries** (Denoise): or let it try several times, and keep what the model itself takes most for the target text
- **rounds** (Denoise): 1 takes half the time and fits less well; it leaves one try
- **background** retrace: outside the mask it goes back the way it came; noised: plain inpainting

Outside the mask the last node puts the original pixels back: there the saved file equals the picture exactly."""

FILLING = """The inpainting checkpoint sees the picture without what is under the mask, and fills in the target text.

Outside the mask the last node puts the original pixels back: there the saved file equals the picture exactly."""

RULES = """The heatmap says where the two texts make the model see a difference. A **rule** cuts a mask from it:

- **otsu**: splits it into two classes; the default
- **ratio**: what diffusers does
- **minmax**: what the paper says

Every knob behind this node is instant. More **draws** make the heatmap less noisy."""
