"""Clips: every frame, in order, as a player shows it."""

import gc

import av
import numpy as np
import pytest
from PIL import Image

from data.errors import DataError
from data.images.clips import open_clip, turned
from tests.made.footage.dots import as_stored, drawn, standing, write_clip

# Display matrices as FFmpeg writes them, in 16.16 fixed point: what (x, y) in the stored picture becomes.
ONE = 65536
TURNS = {
    "none": ((ONE, 0), (0, ONE)),
    "90 counterclockwise": ((0, -ONE), (ONE, 0)),
    "180": ((-ONE, 0), (0, -ONE)),
    "90 clockwise": ((0, ONE), (-ONE, 0)),
    "mirrored": ((-ONE, 0), (0, ONE)),
    "upside down": ((ONE, 0), (0, -ONE)),
    "diagonal": ((0, ONE), (ONE, 0)),
    "other diagonal": ((0, -ONE), (-ONE, 0)),
}
BY_PILLOW = {
    "90 counterclockwise": Image.Transpose.ROTATE_90,
    "180": Image.Transpose.ROTATE_180,
    "90 clockwise": Image.Transpose.ROTATE_270,
    "mirrored": Image.Transpose.FLIP_LEFT_RIGHT,
    "upside down": Image.Transpose.FLIP_TOP_BOTTOM,
    "diagonal": Image.Transpose.TRANSPOSE,
    "other diagonal": Image.Transpose.TRANSVERSE,
}


@pytest.mark.parametrize("name", TURNS)
def test_every_matrix_turns_as_pillow_does(name):
    pixels = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    matrix = np.zeros((3, 3), np.int32)
    matrix[:2, :2] = TURNS[name]
    expected = Image.fromarray(pixels)
    expected = expected.transpose(BY_PILLOW[name]) if name in BY_PILLOW else expected
    np.testing.assert_array_equal(turned(pixels, matrix), np.asarray(expected))


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_frames_come_upright_with_their_times(suffix, degrees, tmp_path):
    shown = [drawn(64, 96, [standing(64, 96, shift=(at, 0))]) for at in range(4)]
    write_clip(tmp_path / f"c.{suffix}", [as_stored(image, degrees) for image in shown], degrees=degrees, fps=50)
    clip = open_clip(tmp_path / f"c.{suffix}")
    frames = list(clip.frames())
    assert clip.fps == 50
    assert len(frames) == 4
    for at, (frame, image) in enumerate(zip(frames, shown, strict=True)):
        # The encoder is nearly without loss, its colours are.
        assert np.abs(frame.pixels.astype(int) - np.asarray(image)).mean() < 3
        assert frame.seconds == pytest.approx(at / 50, abs=1e-3)


def test_frames_do_not_wait_for_the_garbage_collection(tmp_path):
    write_clip(tmp_path / "c.mp4", [drawn(64, 96, [])] * 60, degrees=90)
    gc.collect()
    gc.disable()
    try:
        assert sum(1 for _ in open_clip(tmp_path / "c.mp4").frames()) == 60
        alive = sum(isinstance(one, av.VideoFrame) for one in gc.get_objects())
    finally:
        gc.enable()
    assert alive < 5


def refused(path):
    with pytest.raises(DataError) as caught:
        list(open_clip(path).frames())
    return str(caught.value)


def test_what_is_no_clip_or_damaged_is_told(tmp_path):
    (tmp_path / "no.mp4").write_text("no clip")
    assert "is neither a photo nor a clip that can be read" in refused(tmp_path / "no.mp4")
    write_clip(tmp_path / "c.mp4", [drawn(64, 96, [standing(64, 96)])] * 4)
    whole = (tmp_path / "c.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    assert "is neither a photo nor a clip that can be read" in refused(tmp_path / "cut.mp4")
    with av.open(tmp_path / "sound.wav", "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        silence.sample_rate = 8000
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    assert "has no pictures, only sound or text" in refused(tmp_path / "sound.wav")
