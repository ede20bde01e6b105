"""Networks: their weights, how ONNX files run (onnxruntime) or train (torch), and what they return."""
