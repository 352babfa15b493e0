"""Pictures of meshes: the mesh is where its camera puts it, near faces hide far ones, and the side view is a turn."""

import io

import av
import numpy as np
import pytest
from PIL import Image, ImageColor

from data.bodies.painter import draw_faces
from data.synthetic.meshes.mesh_models import made_model
from trainables.pictures.films import write_film
from trainables.pictures.meshes import TINT, mesh_picture
from trainables.pictures.sheets import MARGIN, PANEL, STRIP, WARNING

ROOM = PANEL - 2 * MARGIN  # pixels of the longer side of what is shown
RED = (200, 30, 20)


def plate(width, height, depth=0.0):
    """A square or cube that faces the camera, metres, and its faces, counterclockwise from outside."""
    signs = np.array([(x, y, z) for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)], float)
    quads = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5)]
    faces = [face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))]
    return signs * (width / 2, height / 2, depth / 2), np.array(faces)


def panels(picture):
    """Left and right panel, what lies within their margins."""
    pixels = np.asarray(picture).astype(int)[STRIP + MARGIN : STRIP + PANEL - MARGIN]
    return pixels[:, MARGIN : PANEL - MARGIN], pixels[:, PANEL + MARGIN : 2 * PANEL - MARGIN]


def drawn_at_side(picture):
    """Rows and columns of the mesh in the right panel: it is blue, ground and words are grey."""
    _, right = panels(picture)
    return np.argwhere(right[..., 2] - right[..., 0] > 25)


def covered(picture, colour=RED):
    """Rows and columns of the left panel where the image is not to be seen as it is."""
    left, _ = panels(picture)
    return np.argwhere(np.abs(left - colour).max(-1) > 12)


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (0.6, -0.2), (-0.5, 0.7)])
def test_a_vertex_is_drawn_where_the_camera_puts_it_in_the_box(x, y):
    # Scale 2, shift (0.1, -0.2): a vertex at (x, y) / 2 - shift is at (x, y) of the box.
    camera = np.array((2.0, 0.1, -0.2))
    middle = np.array((x, y)) / 2 - camera[1:]
    points, faces = plate(0.01, 0.01, 0.01)
    points[:, :2] += middle
    box, size = (320.0, 260.0, 400.0), (640, 480)
    found = covered(mesh_picture(Image.new("RGB", size, RED), points, faces, camera, box))
    wanted = np.array((260 + 200 * y, 320 + 200 * x)) * ROOM / 640 + ((ROOM - 480 * ROOM / 640) / 2, 0)
    inside = found[(found[:, 0] > 55) & (found[:, 0] < ROOM - 55)]  # above and below is paper
    np.testing.assert_allclose(inside.mean(0), wanted, atol=1.5)


def test_the_image_is_seen_through_the_mesh_and_untouched_beside_it():
    points, faces = plate(1, 1, 0.1)
    shown = [
        panels(
            mesh_picture(Image.new("RGB", (200, 200), colour), points, faces, np.array((1.0, 0, 0)), (100, 100, 200))
        )
        for colour in (RED, (20, 30, 200))
    ]
    (one, side), (other, same_side) = shown
    middle, corner = (ROOM // 2, ROOM // 2), (10, 10)
    assert tuple(one[corner]) == RED
    assert (np.abs(one[middle] - other[middle]) > 20).any()
    assert (np.abs(one[middle] - RED) > 40).any()
    assert np.array_equal(side, same_side)


def test_a_small_box_is_shown_with_what_is_around_it():
    image = Image.new("RGB", (1000, 800), RED)
    image.paste((20, 200, 30), (700, 500, 800, 600))  # the box
    points, faces = plate(0.01, 0.01)
    left, _ = panels(mesh_picture(image, points, faces, np.array((1.0, 0, 0)), (750, 550, 100)))
    green = np.argwhere(left[..., 1] > 150)
    np.testing.assert_allclose(np.ptp(green, 0), ROOM / 1.5, atol=4)
    np.testing.assert_allclose(green.mean(0), ROOM / 2, atol=3)


@pytest.mark.parametrize(("scale", "is_told"), [(1.0, False), (0.3, False), (0.1, True), (-1.0, True)])
def test_a_camera_that_makes_a_speck_of_the_mesh_or_turns_it_is_told(scale, is_told):
    points, faces = plate(1, 1, 0.1)
    picture = mesh_picture(Image.new("RGB", (100, 100), RED), points, faces, np.array((scale, 0, 0)), (50, 50, 100))
    below = np.asarray(picture)[-STRIP:, PANEL:].astype(int)
    assert (np.abs(below - ImageColor.getrgb(WARNING)).max(-1) < 30).any() == is_told


def test_a_plate_that_faces_the_camera_is_thin_from_the_side():
    image = Image.new("RGB", (100, 100), RED)
    for width, depth in ((1.0, 0.1), (0.1, 1.0)):
        points, faces = plate(width, 1.0, depth)
        tall, wide = np.ptp(drawn_at_side(mesh_picture(image, points, faces, np.array((1.0, 0, 0)), (50, 50, 100))), 0)
        assert wide / tall == pytest.approx(depth, abs=0.03)


def test_what_is_near_to_the_camera_is_at_the_left_of_the_side_view():
    points, faces = plate(0.2, 1.0, 0.2)
    nose, more = plate(0.1, 0.1, 0.1)
    both = np.concatenate((points, nose + np.array((0, -0.4, -0.4))))
    image = Image.new("RGB", (100, 100), RED)
    picture = mesh_picture(image, both, np.concatenate((faces, more + 8)), np.array((1.0, 0, 0)), (50, 50, 100))
    found = drawn_at_side(picture)
    body = found[found[:, 0] > np.median(found[:, 0])]
    assert found[:, 1].min() < body[:, 1].min() - 20  # the nose, in the upper half
    assert found[found[:, 1] < body[:, 1].min() - 20][:, 0].max() < ROOM / 2


def test_near_faces_hide_far_ones_in_whatever_order_they_are_listed():
    model = made_model("hand")
    image, camera = Image.new("RGB", (100, 100), RED), np.array((8.0, 0, 0))
    order = np.random.default_rng(0).permutation(len(model.faces))
    drawn = [
        np.asarray(mesh_picture(image, model.v_template, faces, camera, (50, 50, 100))).astype(int)
        for faces in (model.faces, model.faces[order])
    ]
    # Faces of a tube can have one depth to the last digit; all others are sorted.
    assert (np.abs(drawn[0] - drawn[1]).max(-1) > 3).mean() < 1e-3


def test_a_near_face_is_drawn_over_a_far_one_and_back_sides_are_not():
    corners = np.array(((0.0, 0, 0), (0, 100, 0), (100, 0, 0)))
    points = np.concatenate((corners + np.array((0, 0, 1)), corners + np.array((0, 0, 2))))
    near, far, back = [(0, 1, 2), (255, 0, 0)], [(3, 4, 5), (0, 255, 0)], [(0, 2, 1), (0, 0, 255)]
    for listed in ((near, far, back), (back, far, near), (far, near)):
        image = Image.new("RGB", (100, 100))
        faces, colours = (np.array(values) for values in zip(*listed, strict=True))
        draw_faces(image, points, points[:, :2], faces, colours.astype(float), 1.0)
        red, green, blue = image.getpixel((20, 20))
        assert red > 50
        assert (green, blue) == (0, 0)


def test_a_body_is_drawn_in_blue_and_a_picture_depends_on_nothing_else():
    model = made_model("body")
    image = Image.new("RGB", (100, 100), RED)
    pictures = [
        mesh_picture(image, model.v_template.astype(kind), model.faces, np.array((1.0, 0, 0)), (50, 50, 100), "title")
        for kind in (np.float32, np.float64)
    ]
    assert pictures[0].size == (2 * PANEL, PANEL + 2 * STRIP)
    found = drawn_at_side(pictures[0])
    assert np.ptp(found[:, 0]) > 0.7 * ROOM
    assert np.asarray(pictures[0]).max() <= 255
    assert TINT.argmax() == 2
    assert np.abs(np.asarray(pictures[0]).astype(int) - np.asarray(pictures[1])).mean() < 0.5


def test_a_film_of_any_pictures_keeps_their_size_and_rate():
    shown = [Image.new("RGB", (64, 32), (10 * number, 90, 200)) for number in range(6)]
    for suffix in (".gif", ".mp4"):
        file = io.BytesIO()
        write_film(iter(shown), 12.5, file, suffix)
        file.seek(0)
        with av.open(file) as container:
            frames = [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in container.decode(0)]
        np.testing.assert_allclose([time for time, _ in frames], np.arange(6) / 12.5, atol=1e-6)
        for (_, read), drawn in zip(frames, shown, strict=True):
            assert read.shape == (32, 64, 3)
            assert np.abs(read.astype(int) - np.asarray(drawn)).max() < 8  # what the formats lose
    file = io.BytesIO()
    write_film(iter(shown), 12.5, file, ".png")
    assert Image.open(file).tobytes() == shown[0].tobytes()
