import torch

# The models here are tiny: one thread is fastest, and it keeps sums in one order.
torch.set_num_threads(1)
