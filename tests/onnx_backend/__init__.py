"""The ONNX standard's own tests, run through the engine: see docs/onnx-conformance.md."""
