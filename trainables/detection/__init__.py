"""2D poses in photos and clips, by the networks of others as ONNX files."""
