"""Photos and clips of dots, and networks in ONNX files that find them as joints."""
