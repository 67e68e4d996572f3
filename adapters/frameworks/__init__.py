"""Models of PyTorch, Keras and ONNX, read into profiles; a model by its name."""
