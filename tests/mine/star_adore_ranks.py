"""One of two processes that train together: run by test_star_adore.py, not a test itself."""

import sys
from pathlib import Path

import numpy as np
import torch

# Its default arguments keep the process group that exists when it is first imported, which torch's optimisers do; the
# threads of a group that is kept now and then abort the process at its end ("terminate called without ...").
import torch.distributed.nn.functional
from torch import distributed, nn

from trueneg.core.training import Recipe
from trueneg.mine import Positives
from trueneg.mine.star_adore import AdoreTrainer, InBatchPairwiseLoss

ROWS = 13  # of a batch: shares of 7 and 6


def adore():
    """Weights of a query encoder after ADORE, and the loss of its last epoch."""
    rng = np.random.default_rng(0)
    documents = rng.normal(size=(60, 6)).astype(np.float32)
    queries = (documents[:39] + rng.normal(size=(39, 6))).astype(np.float32)
    positives = [[i] if i % 3 else [i, (i + 7) % 60] for i in range(39)]
    encoder = nn.Linear(6, 6)
    with torch.no_grad():
        encoder.weight.copy_(torch.eye(6))
        encoder.bias.zero_()
    # Plain gradient descent: Adam would hide a wrong factor.
    recipe = Recipe(epochs=2, batch_size=ROWS, lr=0.5, momentum=0.0, weight_decay=0.0, warmup=0)
    trainer = AdoreTrainer(encoder, documents, topk=9, recipe=recipe, refresh_every=1)
    trainer.fit(queries, positives, random_state=1, report=10)
    return [encoder.weight.detach(), encoder.bias.detach(), torch.tensor(trainer.history_[-1].loss)]


def star(rank, world):
    """Gradient of a linear encoder of queries and documents under STAR's loss, averaged over processes."""
    rng = np.random.default_rng(0)
    x = [torch.from_numpy(rng.normal(size=(8, *shape)).astype(np.float32)) for shape in ((5,), (5,), (2, 5))]
    rows = [torch.arange(8), torch.arange(8) % 6, torch.from_numpy(rng.integers(-1, 20, (8, 2)))]
    known = Positives.of([[i % 6] for i in range(8)], 8, 20).known
    encoder = nn.Linear(5, 4, bias=False)
    with torch.no_grad():
        encoder.weight.copy_(torch.linspace(-1, 1, 20).reshape(4, 5))
    part = slice(rank * 8 // world, (rank + 1) * 8 // world)
    loss = InBatchPairwiseLoss(known, gather_across_devices=world > 1)
    loss(*(encoder(one[part]) for one in x), rows=tuple(r[part] for r in rows)).backward()
    grad = encoder.weight.grad
    if world > 1:
        distributed.all_reduce(grad)
    return [grad / world]


if __name__ == "__main__":
    place, number = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{place}/meet", rank=number, world_size=2)
    found = [*adore(), *star(number, 2)]
    np.savez(f"{place}/{number}.npz", *[one.numpy() for one in found])
    distributed.destroy_process_group()
    # None of ours may keep the group either.
    left = [task.joinpath("comm").read_text() for task in Path("/proc/self/task").glob("*")]
    if any("gloo" in name for name in left):
        sys.exit(f"threads of the process group are left: {left}")
