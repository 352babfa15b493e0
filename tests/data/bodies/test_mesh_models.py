"""Body and hand models: the made ones against their recipe, files in the official formats, skinning."""

import dataclasses
import json
import pickle
import sys
import types

import numpy as np
import pytest
from scipy import sparse

from data.bodies import axis_angle
from data.bodies.body_joints import HAND_TIPS, labelled_joints
from data.bodies.body_model import BodyModel
from data.bodies.coarsening import between, edges_of
from data.bodies.skinning import posed
from data.errors import DataError
from data.formats.meshes.body_models import KINDS, read_body, read_models
from data.synthetic.meshes.mesh_models import made_model, made_models, write_made_models

BODY_TREE = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
HAND_TREE = [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14]
KIND_NAMES = ("body", "hand")


def rest_pose(model):
    """The pose [1, 3 K] in which a model is its template."""
    pose = np.zeros((1, 3 * len(model.parents)))
    if model.hands_mean is not None:
        pose[0, 3:] = -model.hands_mean
    return pose


def drawn(model, count, spread=0.5):
    rng = np.random.default_rng(3)
    return rng.normal(0, spread, (count, 3 * len(model.parents))), rng.normal(0, 1, (count, 10))


@pytest.mark.parametrize(("kind", "vertices", "faces", "tree"), [("body", 6890, 13776, BODY_TREE),
                                                                 ("hand", 778, 1538, HAND_TREE)])  # fmt: skip
def test_a_made_model_has_the_counts_of_the_licensed_one(kind, vertices, faces, tree):
    model, parts = made_model(kind), len(tree)
    assert model.v_template.shape == (vertices, 3)
    assert model.faces.shape == (faces, 3)
    assert model.parents.tolist() == tree
    assert model.weights.shape == (vertices, parts)
    assert model.joint_regressor.shape == (parts, vertices)
    assert model.shapedirs.shape == (vertices, 3, 10)
    assert model.posedirs.shape == (vertices, 3, 9 * (parts - 1))
    assert len(np.unique(model.faces)) == vertices  # every vertex is in a face
    assert (np.sort(model.faces, axis=1)[:, :-1] < np.sort(model.faces, axis=1)[:, 1:]).all()


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_skin_is_shared_by_few_parts_that_sum_to_one(kind):
    weights = made_model(kind).weights
    assert np.abs(weights.sum(1) - 1).max() < 1e-6
    assert (weights > 0).sum(1).max() <= 4
    assert weights.min() >= 0


def test_the_made_body_is_a_person_of_1_70_m_facing_along_z():
    model = made_model("body")
    assert np.ptp(model.v_template[:, 1]) == pytest.approx(1.70)
    joints = (model.joint_regressor @ model.v_template).round(6)
    assert (joints[[1, 4, 7, 13, 16, 18, 20], 0] > 0).all()  # left
    np.testing.assert_allclose(joints[[2, 5, 8, 14, 17, 19, 21]] * (-1, 1, 1), joints[[1, 4, 7, 13, 16, 18, 20]])
    nose = made_models("body")[1].extra_regressor[0] @ model.v_template
    assert nose[2] > 0.05


def test_shape_directions_are_square_on_each_other():
    for kind in KIND_NAMES:
        flat = made_model(kind).shapedirs.reshape(-1, 10)
        lengths = np.linalg.norm(flat, axis=0)
        assert lengths.min() > 0
        cosines = flat.T @ flat / np.outer(lengths, lengths)
        assert np.abs(cosines - np.eye(10)).max() < 1e-8


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_faces_look_outwards(kind):
    model = made_model(kind)
    corners = model.v_template[model.faces]
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    low, high = {"body": (0.03, 0.1), "hand": (1e-4, 5e-4)}[kind]  # cubic metres of a person, of a hand
    assert low < volume < high


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_a_model_at_rest_is_its_template(kind):
    model = made_model(kind)
    assert np.abs(posed(model, rest_pose(model), np.zeros((1, 10)))[0][0] - model.v_template).max() < 1e-6


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_turning_the_root_keeps_every_edge(kind):
    model = made_model(kind)
    pose = rest_pose(model)
    pose[0, :3] = (0.4, -1.3, 2.0)
    edges = edges_of(model.faces)
    lengths = [
        np.linalg.norm(np.diff(mesh[edges], axis=0)[0], axis=-1)
        for mesh in (model.v_template, posed(model, pose, np.zeros((1, 10)))[0][0])
    ]
    np.testing.assert_allclose(*lengths, atol=1e-5)


@pytest.mark.parametrize(("kind", "count"), [("body", 50), ("hand", 1000)])
def test_joints_regressed_from_the_mesh_are_those_of_the_skeleton(kind, count):
    model = made_model(kind)
    for _ in range(count // 50):
        vertices, joints = posed(model, *drawn(model, 50))
        assert np.abs(model.joint_regressor @ vertices - joints).max() < 1e-9


def test_posing_twice_gives_the_same():
    model = made_model("hand")
    for first, second in zip(posed(model, *drawn(model, 5)), posed(model, *drawn(model, 5)), strict=True):
        assert np.array_equal(first, second)


def test_the_tips_of_the_made_hand_are_where_the_licensed_one_has_them():
    model, levels = made_models("hand")
    vertices, skeleton = posed(model, rest_pose(model), np.zeros((1, 10)))
    joints = labelled_joints(model, levels, vertices, skeleton)[0]
    fingers = joints[1:].reshape(5, 4, 3)  # thumb, index, middle, ring, little: base to tip
    away = np.linalg.norm(fingers - joints[0], axis=-1)
    assert (np.diff(away, axis=1) > 0.01).all()
    np.testing.assert_allclose(fingers[:, 3], model.v_template[list(HAND_TIPS)], atol=1e-12)
    assert np.linalg.norm(model.v_template[444] - model.v_template[445]) < 0.005


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_coarse_meshes_are_of_the_published_sizes_and_in_one_piece(kind):
    levels = made_models(kind)[1]
    sizes = {"body": (1723, 431), "hand": (195,)}[kind]
    assert tuple(len(index) for index in levels.down) == sizes
    assert all((np.diff(index) > 0).all() for index in levels.down)
    assert (levels.edges[0] < levels.edges[1]).all()
    ends = np.concatenate((levels.edges, levels.edges[::-1]), axis=1)
    graph = sparse.csr_matrix((np.ones(ends.shape[1]), tuple(ends)), shape=(sizes[-1], sizes[-1]))
    assert sparse.csgraph.connected_components(graph)[0] == 1


def test_a_vertex_between_coarse_ones_is_their_mean_by_inverse_distance():
    coarse = np.array(((0.0, 0, 0), (1, 0, 0), (0, 1, 0), (9, 9, 9)))
    found, weights = between(np.array(((0.25, 0.0, 0.0), (1.0, 0.0, 0.0))), coarse)
    np.testing.assert_allclose(weights.sum(1), 1)
    assert found[0].tolist() == [0, 1, 2]
    np.testing.assert_allclose(weights[0, 0] / weights[0, 1], 3)
    assert found[1, 0] == 1
    np.testing.assert_allclose(weights[1, 0], 1, atol=1e-6)


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_files_of_a_model_come_back_as_they_were(kind, tmp_path):
    write_made_models(tmp_path, kind)
    found, made = read_models(tmp_path, kind), made_models(kind)
    for one, other in zip(found, made, strict=True):
        for field in dataclasses.fields(one):
            values = getattr(one, field.name), getattr(other, field.name)
            if field.name == "down":
                assert all(np.array_equal(*pair) for pair in zip(*values, strict=True))
            else:
                assert np.array_equal(*values) if values[0] is not None else values[1] is None, field.name


def test_levels_are_made_from_the_template_where_no_file_has_them(tmp_path):
    write_made_models(tmp_path, "hand")
    (tmp_path / KINDS["hand"].sampling).unlink()
    assert np.array_equal(read_models(tmp_path, "hand")[1].edges, made_models("hand")[1].edges)


def test_a_sampling_file_is_read_without_its_foreign_class(tmp_path):
    write_made_models(tmp_path, "hand")
    path = tmp_path / KINDS["hand"].sampling
    with np.load(path, allow_pickle=True) as archive:
        arrays = dict(archive)
    stranger = np.empty(1, object)
    stranger[0] = Stranger()
    np.savez(path, **arrays, M=stranger)
    assert len(read_models(tmp_path, "hand")[1].down[0]) == 195


class Stranger:
    """A class that no reader should make."""

    def __setstate__(self, state):
        raise AssertionError("made")


def test_missing_files_are_all_named_with_what_to_do(tmp_path):
    with pytest.raises(DataError) as caught:
        read_models(tmp_path, "body")
    text = str(caught.value)
    for part in (str(tmp_path), "basicModel_neutral", "licensed", "register", "J_regressor_extra.npy",
                 "J_regressor_h36m_correct.npy", "put it there"):  # fmt: skip
        assert part in text, part
    with pytest.raises(DataError, match=r"MANO_RIGHT\.pkl"):
        read_models(tmp_path, "hand")


def test_a_model_of_another_topology_is_refused_with_figures(tmp_path):
    write_made_models(tmp_path, "hand")
    with pytest.raises(DataError, match=r"has 778 vertices, 1538 faces, 16 parts; a body here is SMPL: 6890 vertices"):
        read_body(tmp_path / "MANO_RIGHT.pkl", "body")


def content_of(model: BodyModel):
    return {
        "v_template": model.v_template,
        "shapedirs": model.shapedirs,
        "posedirs": model.posedirs,
        "weights": model.weights,
        "J_regressor": sparse.csc_matrix(model.joint_regressor),
        "kintree_table": np.stack((model.parents, np.arange(len(model.parents)))).astype(np.uint32),
        "f": model.faces.astype(np.uint32),
        "hands_mean": model.hands_mean,
    }


@pytest.fixture
def chumpy(monkeypatch):
    """A package of that name, gone again before anything is read: the classes pickle their state as the real ones."""
    modules = {name: types.ModuleType(name) for name in ("chumpy", "chumpy.ch", "chumpy.reordering")}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    wrapped = type("Ch", (), {"__module__": "chumpy.ch"})
    select = type("Select", (), {"__module__": "chumpy.reordering"})
    modules["chumpy.ch"].Ch, modules["chumpy.reordering"].Select = wrapped, select

    def make(kind, **state):
        found = {"Ch": wrapped, "Select": select}[kind]()
        found.__dict__.update(state)
        return found

    return make


def test_a_pickle_of_wrapped_arrays_is_read_without_the_package(tmp_path, chumpy, monkeypatch):
    model, path = made_model("hand"), tmp_path / "MANO_RIGHT.pkl"
    shapes = model.shapedirs
    order = np.random.default_rng(0).permutation(shapes.size)
    shuffled = np.empty(shapes.size)
    shuffled[order] = shapes.reshape(-1)
    content = content_of(model) | {
        "v_template": chumpy("Ch", x=model.v_template, _dirty_vars={"x"}),
        "shapedirs": chumpy("Select", a=chumpy("Ch", x=shuffled), idxs=order, preferred_shape=shapes.shape),
    }
    with path.open("wb") as file:
        pickle.dump(content, file, protocol=2)
    for name in ("chumpy", "chumpy.ch", "chumpy.reordering"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it is an error
    found = read_body(path, "hand")
    assert np.array_equal(found.v_template, model.v_template)
    assert np.array_equal(found.shapedirs, shapes)
    assert np.array_equal(found.joint_regressor, model.joint_regressor)


def test_an_archive_of_plain_arrays_with_more_shape_numbers_is_read(tmp_path):
    model, path = made_model("hand"), tmp_path / "MANO_RIGHT.npz"
    wide = np.concatenate((model.shapedirs, np.ones((778, 3, 5))), axis=2)
    np.savez(path, **content_of(model) | {"J_regressor": model.joint_regressor, "shapedirs": wide})
    assert np.array_equal(read_body(path, "hand").shapedirs, model.shapedirs)


def test_a_pickle_that_asks_for_more_is_refused(tmp_path):
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(DataError, match=r"asks to import os.system"):
        read_body(path, "hand")


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("weights", lambda old: old * 1.5, "do not sum to 1"),
        ("kintree_table", lambda old: old[:, ::-1], "before its parent"),
        ("f", lambda old: old + 1, "names vertices"),
        ("posedirs", lambda old: old[:, :, 1:], r"'posedirs' has shape \(778, 3, 134\), expected \(778, 3, 135\)"),
        ("v_template", lambda old: np.where(old > 0.05, np.nan, old), "finite"),
        ("J_regressor", lambda old: "text", "is a str, not numbers"),
    ],
)
def test_faults_of_a_model_are_named(tmp_path, key, value, told):
    content = content_of(made_model("hand"))
    content[key] = value(content[key])
    with (tmp_path / "MANO_RIGHT.pkl").open("wb") as file:
        pickle.dump(content, file)
    with pytest.raises(DataError, match=told):
        read_body(tmp_path / "MANO_RIGHT.pkl", "hand")


def golden(shared_dir, name):
    path = shared_dir / "parity" / f"mesh_graphormer-{name}.npz" if shared_dir is not None else None
    if path is None or not path.exists():
        pytest.skip("the golden data is not laid out")
    with np.load(path) as archive:
        return {key: archive[key] for key in archive.files}


@pytest.mark.parametrize(("name", "scale"), [("smpl", 1), ("mano", 1000)])
def test_skinning_agrees_with_the_golden_models(shared_dir, name, scale):
    archive = golden(shared_dir, name)
    values = {key.removeprefix("model/"): archive[key] for key in archive if key.startswith("model/")}
    model = BodyModel(
        v_template=values["v_template"].astype(np.float64),
        shapedirs=values["shapedirs"].astype(np.float64),
        posedirs=values["posedirs"].astype(np.float64),
        weights=values["weights"].astype(np.float64),
        joint_regressor=values["J_regressor"].astype(np.float64),
        parents=np.array(json.loads(str(archive["hyper"]))["parents"]),
        faces=values["f"].astype(np.int64),
        hands_mean=values["hands_mean"].astype(np.float64) if name == "mano" else None,
    )
    vertices, _ = posed(model, archive["in/pose"].astype(np.float64), archive["in/betas"].astype(np.float64))
    key = "out/vertices_mm_f64" if name == "mano" else "out/vertices_f64"
    # The published angle is that of the vector plus 1e-8, so the models agree to some 1e-8.
    np.testing.assert_allclose(vertices, archive[key] / scale, atol=2e-7)


def test_rotations_come_back_from_matrices_and_quaternions():
    rng = np.random.default_rng(0)
    turns = rng.normal(0, 1, (200, 3))
    turns *= (rng.uniform(0, np.pi, 200) / np.linalg.norm(turns, axis=1))[:, None]
    turns[:3] = ((0, 0, 0), (np.pi, 0, 0), (1e-9, 0, 0))
    np.testing.assert_allclose(axis_angle.of_quaternions(axis_angle.quaternions(turns)), turns, atol=1e-12)
    found = axis_angle.of_matrices(axis_angle.matrices(turns))
    np.testing.assert_allclose(axis_angle.matrices(found), axis_angle.matrices(turns), atol=1e-7)
    both = axis_angle.composed(turns[:100], turns[100:])
    np.testing.assert_allclose(
        axis_angle.matrices(both), axis_angle.matrices(turns[:100]) @ axis_angle.matrices(turns[100:]), atol=1e-12
    )
