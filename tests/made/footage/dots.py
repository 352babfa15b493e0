"""Photos and clips of a person made of dots, a colour for each joint."""

from fractions import Fraction

import av
import numpy as np
from PIL import Image, ImageDraw

COUNT = 17
# Far from each other, from black and from the grey beside images.
COLOURS = [
    (r, g, b) for r in (0, 128, 255) for g in (0, 128, 255) for b in (0, 128, 255)
    if (r, g, b) not in ((0, 0, 0), (128, 128, 128))
][:COUNT]  # fmt: skip
RADIUS = 9


def standing(width, height, shift=(0, 0)):
    """Places [17, 2] of COCO's joints of one who stands in the image, none close to another."""
    shape = np.array(
        [(0.5, 0.1), (0.56, 0.05), (0.44, 0.05), (0.63, 0.09), (0.37, 0.09), (0.66, 0.24), (0.34, 0.24), (0.74, 0.4),
         (0.26, 0.4), (0.7, 0.55), (0.3, 0.55), (0.6, 0.56), (0.4, 0.56), (0.62, 0.74), (0.38, 0.74), (0.61, 0.92),
         (0.39, 0.92)]
    )  # fmt: skip
    return np.rint(shape * (width * 0.9, height * 0.95) + np.add(shift, (width * 0.05, 0)))


def drawn(width, height, people):
    """An image with the dots of people [m, 17, 2]."""
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    for places in people:
        for (x, y), colour in zip(places, COLOURS, strict=True):
            draw.circle((x, y), RADIUS, colour)
    return image


def write_clip(path, images, *, degrees=0, mirrored=False, fps=30, times=None):
    """A clip without loss of colour, stored as it is and shown turned by `degrees` counterclockwise, then mirrored."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "1", "preset": "ultrafast"})
        stream.width, stream.height = images[0].size
        stream.pix_fmt = "yuv444p"
        stream.codec_context.time_base = Fraction(1, 1000)
        if degrees or mirrored:
            stream.set_display_rotation(degrees, hflip=mirrored)
        for at, image in enumerate(images):
            frame = av.VideoFrame.from_image(image)
            frame.time_base, frame.pts = Fraction(1, 1000), round(1000 * (at / fps if times is None else times[at]))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def as_stored(image, degrees):
    """What a camera stores of a picture that is shown turned by `degrees` counterclockwise."""
    return Image.fromarray(np.ascontiguousarray(np.rot90(np.asarray(image), -degrees // 90)))
