#!/usr/bin/env bash
# How long a decoded frame stays in memory, to PyAV.
#
# av 18.1.0 (Python 3.11, numpy 2.4.6). A clip's rotation is a display matrix beside its frames, so who turns frames asks
# each for `side_data`. Expected: a frame is freed when the next one replaces it, as it is without the question.
# Seen: asking makes a cycle of references between the frame and its side data. All 40 frames stay until Python looks for
# garbage; for a clip of 1920 x 1080 pixels that is 3 MB each in YUV. `frame.rotation` reads the angle without a cycle,
# but does not tell a mirrored clip from one that is not.
#
# Fails if the numbers of frames change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import gc
import sys

import av
import numpy as np

FRAMES = 40
with av.open("clip.mp4", "w") as clip:
    stream = clip.add_stream("mpeg4", rate=25)
    stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
    for number in range(FRAMES):
        picture = np.full((64, 96, 3), 5 * number, np.uint8)
        clip.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    clip.mux(stream.encode(None))


def alive(ask):
    """Frames in memory behind the last one."""
    gc.collect()
    gc.disable()
    with av.open("clip.mp4") as clip:
        for frame in clip.decode(video=0):
            ask(frame)
        del frame
    count = sum(isinstance(one, av.VideoFrame) for one in gc.get_objects())
    gc.enable()
    return count


found = {
    "nothing": alive(lambda frame: None),
    "rotation": alive(lambda frame: frame.rotation),
    "side_data": alive(lambda frame: frame.side_data),
}
print(", ".join(f"asked for {what}: {count} of {FRAMES} frames in memory" for what, count in found.items()))
sys.exit(found != {"nothing": 0, "rotation": 0, "side_data": FRAMES})
PY
echo "as stated"
