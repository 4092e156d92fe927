"""The bench cases in PyTorch (eager, on the CPU). argv: case threads. Protocol: see harness/peer.ts."""
import json
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

case, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
torch.manual_seed(0)


class Block(nn.Module):
    """Transformer block; `pre`: norm before each half, and a causal mask (GPT-2), else after (BERT)."""

    def __init__(self, width, heads, pre):
        super().__init__()
        self.heads, self.pre = heads, pre
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def attend(self, x):
        b, t, c = x.shape
        q, k, v = (y.view(b, t, self.heads, -1).transpose(1, 2) for y in self.qkv(x).split(c, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.pre)
        return self.proj(y.transpose(1, 2).reshape(b, t, c))

    def forward(self, x):
        if self.pre:
            x = x + self.attend(self.ln1(x))
            return x + self.down(F.gelu(self.up(self.ln2(x))))
        x = self.ln1(x + self.attend(x))
        return self.ln2(x + self.down(F.gelu(self.up(x))))


class Gpt(nn.Module):
    def __init__(self, v=512, d=256, t=128, layers=4, heads=4):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(v, d), nn.Parameter(torch.randn(t, d) * 0.02)
        self.h = nn.Sequential(*[Block(d, heads, True) for _ in range(layers)])
        self.lnf, self.head = nn.LayerNorm(d), nn.Linear(d, v, bias=False)
        for m in self.modules():
            if isinstance(m, (nn.Linear, nn.Embedding)):
                nn.init.normal_(m.weight, std=0.02)

    def forward(self, tokens):
        return self.head(self.lnf(self.h(self.wte(tokens) + self.wpe)))


class Basic(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.c1, self.b1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.c2, self.b2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.down = None
        if stride != 1:
            self.down = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        y = self.b2(self.c2(F.relu(self.b1(self.c1(x)))))
        return F.relu(y + (self.down(x) if self.down else x))


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.b = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        blocks, i = [], 16
        for stage, o in enumerate([16, 32, 64]):
            for n in range(3):
                blocks.append(Basic(i, o, 2 if stage and n == 0 else 1))
                i = o
        self.blocks, self.fc = nn.Sequential(*blocks), nn.Linear(64, 10)

    def forward(self, x):
        return self.fc(self.blocks(F.relu(self.b(self.c(x)))).mean((2, 3)))


def trainer(model, optimizer, loss):
    def step():
        optimizer.zero_grad(set_to_none=True)
        value = loss(model)
        value.backward()
        optimizer.step()
        return value.item()
    return step


if case == 'gpt':
    model = Gpt()
    stream = torch.randint(0, 512, (8, 129))
    tokens, targets = stream[:, :-1].contiguous(), stream[:, 1:].contiguous()
    step = trainer(model, torch.optim.Adam(model.parameters(), 1e-3),
                   lambda m: F.cross_entropy(m(tokens).view(-1, 512), targets.view(-1)))
elif case == 'mlp':
    model = nn.Sequential(nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))
    x, y = torch.randn(128, 784), torch.randint(0, 10, (128,))
    step = trainer(model, torch.optim.SGD(model.parameters(), 0.01), lambda m: F.cross_entropy(m(x), y))
elif case == 'cnn':
    model = ResNet20()
    x, y = torch.randn(64, 3, 32, 32), torch.randint(0, 10, (64,))
    step = trainer(model, torch.optim.SGD(model.parameters(), 0.01, momentum=0.9), lambda m: F.cross_entropy(m(x), y))
else:
    model = nn.Sequential(*[Block(384, 12, False) for _ in range(6)]).eval()
    x = torch.randn(8, 128, 384)

    def step():
        with torch.inference_mode():
            return float(model(x)[0, 0, 0])

print(json.dumps({'ready': True, 'name': f'PyTorch {torch.__version__}'}), flush=True)
for line in sys.stdin:
    times, value, cpu = [], 0.0, time.process_time()
    for _ in range(int(line)):
        t0 = time.perf_counter()
        value = step()
        times.append(1000 * (time.perf_counter() - t0))
    cpu = 1000 * (time.process_time() - cpu)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({'times': times, 'value': value, 'cpuMs': cpu, 'peakMb': peak}), flush=True)
