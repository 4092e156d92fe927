"""PyTorch's side of bench/losses.ts: the same divergence with whole logits. One JSON line: {ms, mib, name}."""
import json
import sys
import time

import torch
import torch.nn.functional as F

c = json.loads(sys.argv[1])
torch.set_num_threads(c["threads"])


def status(key):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key)) / 1024


def divergence(s, t, kind):
    logq, logp = s.log_softmax(-1), t.log_softmax(-1)
    if kind == "forward_kl":
        return F.kl_div(logq, logp, reduction="none", log_target=True).sum(-1)
    if kind == "reverse_kl":
        return F.kl_div(logp, logq, reduction="none", log_target=True).sum(-1)
    half = torch.log(torch.tensor(0.5))
    m = torch.logsumexp(torch.stack([logq + half, logp + half]), dim=0)
    a = F.kl_div(m, logp, reduction="none", log_target=True)
    b = F.kl_div(m, logq, reduction="none", log_target=True)
    return (0.5 * a + 0.5 * b).sum(-1)


torch.manual_seed(0)
h = torch.randn(c["tokens"], c["width"], requires_grad=True)
w = (0.1 * torch.randn(c["vocab"], c["width"])).requires_grad_()
ht = torch.randn(c["tokens"], c["width"])
wt = 0.1 * torch.randn(c["vocab"], c["width"])


def step():
    h.grad = w.grad = None
    with torch.no_grad():
        t = ht @ wt.T
    loss = divergence(h @ w.T, t, c["kind"]).mean()
    loss.backward()


before = status("VmRSS")
with open("/proc/self/clear_refs", "w") as f:
    f.write("5")
times = []
for i in range(c["reps"] + 1):
    begun = time.perf_counter()
    step()
    if i > 0 or c["reps"] == 0:
        times.append((time.perf_counter() - begun) * 1000)
    if i == 0:
        peak = status("VmHWM") - before
print(json.dumps({"ms": sorted(times)[len(times) // 2], "mib": peak, "name": f"PyTorch {torch.__version__}, whole logits"}))
