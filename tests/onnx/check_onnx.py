"""Passes each file named on the command line to the checker of Python's onnx package, shape inference included."""

import sys

import onnx

for path in sys.argv[1:]:
    onnx.checker.check_model(path, full_check=True)
    print("ok", path)
