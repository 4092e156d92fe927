"""A GPT on tiny Shakespeare in PyTorch, from the weights and batches that Decant used.

argv: folder threads [float32 | float64 | disturbed]. The folder holds a GPT-2 checkpoint (config.json, model.safetensors),
settings.json, batches.bin and valid.bin (int32 rows of length + 1 tokens). Disturbed: float32 from weights moved by a
relative 1e-7. Prints one JSON line: validation losses by finished updates.
"""
import json
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from transformers import GPT2LMHeadModel

folder, threads = sys.argv[1], int(sys.argv[2])
kind = sys.argv[3] if len(sys.argv) > 3 else "float32"
torch.set_num_threads(threads)
s = json.load(open(os.path.join(folder, "settings.json")))
read = lambda name: torch.from_numpy(
    np.fromfile(os.path.join(folder, name), dtype=np.int32).reshape(-1, s["length"] + 1).astype(np.int64)
)
batches, valid = read("batches.bin"), read("valid.bin")
model = GPT2LMHeadModel.from_pretrained(folder, attn_implementation="eager")
if kind == "float64":
    model.double()
elif kind == "disturbed":
    torch.manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(1 + 1e-7 * torch.randn_like(p))
model.train()
matrices = [p for p in model.parameters() if p.dim() >= 2]
others = [p for p in model.parameters() if p.dim() < 2]
optimizer = torch.optim.AdamW(
    [{"params": matrices, "weight_decay": s["weightDecay"]}, {"params": others, "weight_decay": 0.0}],
    lr=s["rates"][0], betas=(0.9, s["beta2"]), eps=1e-8,
)


def loss_of(rows):
    logits = model(rows[:, :-1]).logits
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), rows[:, 1:].reshape(-1))


def validation():
    model.eval()
    with torch.no_grad():
        losses = [loss_of(part).item() * len(part) for part in valid.split(s["batch"])]
    model.train()
    return sum(losses) / len(valid)


losses = {0: validation()}
began = time.time()
for step, rate in enumerate(s["rates"]):
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss = loss_of(batches[step * s["batch"]:(step + 1) * s["batch"]])
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), s["clip"])
    optimizer.step()
    if (step + 1) % s["every"] == 0 or step + 1 == len(s["rates"]):
        losses[step + 1] = validation()
print(json.dumps({"losses": losses, "seconds": time.time() - began}))
