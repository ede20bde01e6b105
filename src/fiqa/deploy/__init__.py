"""From a trained regressor to what practitioners run: one ONNX file, its card, and numbers they can read."""
