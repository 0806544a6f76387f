"""``dynst export``: a model as an ONNX file."""
