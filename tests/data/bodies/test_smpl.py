"""Bodies and hands: known turns, laws of rigid motion, and joints."""

import math

import numpy as np
import pytest
import torch

from data.bodies.skinning import posed
from trainables.layers.smpl import TIPS, BodyLayer, body_joints, hand_joints, hand_regressor, rotations
from trainables.models.mesh_graphormer.files import models_of


@pytest.fixture(scope="module", params=["body", "hand"])
def model(request):
    return models_of(request.param, "")[0]


def zeros(model, count=1):
    """The pose that leaves a model as it is, and its mean shape."""
    pose = torch.zeros(count, 3 * len(model.parents)).double()
    if model.hands_mean is not None:
        pose[:, 3:] = -torch.from_numpy(model.hands_mean)
    return pose, torch.zeros(count, 10).double()


def some(model, count=3):
    pose, betas = zeros(model, count)
    return pose + 0.3 * torch.randn_like(pose), torch.randn_like(betas)


def test_turns_are_those_of_the_right_hand():
    quarter = torch.tensor([[math.pi / 2, 0, 0], [0, math.pi / 2, 0], [0, 0, math.pi / 2], [0, 0, 0]]).double()
    expected = torch.tensor(
        [
            [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
            [[0, 0, 1], [0, 1, 0], [-1, 0, 0]],
            [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
            [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        ]
    ).double()
    # The published formula adds 1e-8 to every component before it takes their length.
    torch.testing.assert_close(rotations(quarter), expected, rtol=0, atol=1e-7)


def test_turns_are_rotations_and_have_a_slope_at_zero():
    pose = torch.randn(50, 3).double()
    turn = rotations(pose)
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3).double().expand(50, 3, 3), rtol=0, atol=1e-14)
    torch.testing.assert_close(torch.linalg.det(turn), torch.ones(50).double(), rtol=0, atol=1e-14)
    still = torch.zeros(1, 3, requires_grad=True)
    rotations(still)[0, 0, 1].backward()
    assert still.grad.isfinite().all()


def test_the_zero_pose_is_the_template(model):
    vertices, parts = BodyLayer(model).double()(*zeros(model))
    np.testing.assert_allclose(vertices[0], model.v_template, rtol=0, atol=1e-7)
    np.testing.assert_allclose(parts[0], model.joint_regressor @ model.v_template, rtol=0, atol=1e-12)


def test_turning_the_root_moves_the_mesh_rigidly(model):
    layer, (pose, betas) = BodyLayer(model).double(), some(model)
    turned = pose.clone()
    turned[:, :3] += torch.tensor([0.4, -0.2, 0.9])
    (one, _), (other, _) = layer(pose, betas), layer(turned, betas)
    edges = torch.from_numpy(model.faces[:, :2].copy())
    lengths = [(mesh[:, edges[:, 0]] - mesh[:, edges[:, 1]]).norm(dim=-1) for mesh in (one, other)]
    torch.testing.assert_close(*lengths, rtol=0, atol=1e-12)
    assert (one - other).abs().max() > 0.01


def test_it_is_the_mesh_that_the_data_floor_poses(model):
    pose, betas = some(model)
    vertices, parts = BodyLayer(model).double()(pose, betas)
    expected = posed(model, pose.numpy(), betas.numpy())
    # The data floor turns without the published 1e-8.
    np.testing.assert_allclose(vertices, expected[0], rtol=0, atol=1e-7)
    np.testing.assert_allclose(parts, expected[1], rtol=0, atol=1e-7)


def test_constants_keep_float64_through_float32(model):
    layer, (pose, betas) = BodyLayer(model), some(model)
    assert layer.state_dict() == {}
    layer.float()
    assert layer.constants.v_template.dtype == torch.float32
    torch.testing.assert_close(layer.double()(pose, betas), BodyLayer(model).double()(pose, betas), rtol=0, atol=0)


def test_joints_of_a_hand_end_at_its_tips_and_those_of_a_body_are_means_of_vertices():
    hand, _ = models_of("hand", "")
    vertices, parts = BodyLayer(hand).double()(*some(hand))
    joints = hand_joints(parts, vertices)
    assert joints.shape == (3, 21, 3)
    assert torch.equal(joints[:, 4::4], vertices[:, list(TIPS)])
    assert torch.equal(joints[:, 0], parts[:, 0])
    np.testing.assert_allclose(hand_regressor(hand).sum(1), 1, rtol=0, atol=1e-12)
    body, levels = models_of("body", "")
    ones = torch.ones(1, 6890, 3).double()
    regressors = (torch.from_numpy(rows) for rows in (body.joint_regressor, levels.extra_regressor))
    torch.testing.assert_close(body_joints(ones, *regressors), torch.ones(1, 24, 3).double())
