"""Skeletons: joint names, parents, and left-right pairs, of Human3.6M, HumanEva-I, MPI-INF-3DHP and the mesh labels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Skeleton:
    """Tree of J joints. `left[i]` and `right[i]` swap in a mirror; joints in neither keep their place."""

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]

    def __post_init__(self) -> None:
        count, sides = len(self.joints), self.left + self.right
        assert len(set(self.joints)) == count == len(self.parents), (self.name, self.joints, self.parents)
        assert self.parents.count(-1) == 1, (self.name, self.parents)
        assert set(self.parents) <= set(range(-1, count)), (self.name, self.parents)
        assert len(self.left) == len(self.right), (self.name, self.left, self.right)
        assert len(set(sides)) == len(sides), (self.name, self.left, self.right)
        assert set(sides) <= set(range(count)), (self.name, self.left, self.right)

    @property
    def num_joints(self) -> int:
        return len(self.joints)

    @property
    def root(self) -> int:
        """The joint with parent -1."""
        return self.parents.index(-1)

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(parent, child) of every bone, by child."""
        return tuple((parent, child) for child, parent in enumerate(self.parents) if parent >= 0)

    @property
    def mirror(self) -> tuple[int, ...]:
        """The permutation of the J joints that swaps left[i] and right[i]; it is its own inverse."""
        swap = dict(zip(self.left + self.right, self.right + self.left, strict=True))
        return tuple(swap.get(joint, joint) for joint in range(self.num_joints))


def kept_joints(source: Skeleton, target: Skeleton) -> tuple[int, ...] | None:
    """Returns the indices of target's joints within source, by name; None when source lacks one of them."""
    if not set(target.joints) <= set(source.joints):
        return None
    return tuple(source.joints.index(joint) for joint in target.joints)


def by_joint_count(count: int) -> Skeleton | None:
    """Returns the Human3.6M skeleton of 32, 17 or 16 joints; None for any other count."""
    return {skeleton.num_joints: skeleton for skeleton in (H36M_32, H36M_17, H36M_16)}.get(count)


# The layout of the motion capture files. Static joints are stored, but no model here uses them.
H36M_32 = Skeleton(
    name="h36m_32",
    joints=(
        *("Hip", "RHip", "RKnee", "RFoot", "StaticRToeBase", "StaticRToeEnd"),
        *("LHip", "LKnee", "LFoot", "StaticLToeBase", "StaticLToeEnd"),
        *("StaticHip", "Spine", "Thorax", "Neck", "Head"),
        *("StaticLThorax", "LShoulder", "LElbow", "LWrist"),
        *("StaticLHand", "StaticLThumb", "StaticLPalm", "StaticLFinger"),
        *("StaticRThorax", "RShoulder", "RElbow", "RWrist"),
        *("StaticRHand", "StaticRThumb", "StaticRPalm", "StaticRFinger"),
    ),
    parents=(
        *(-1, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 0, 11, 12, 13, 14),
        *(12, 16, 17, 18, 19, 20, 19, 22, 12, 24, 25, 26, 27, 28, 27, 30),
    ),
    left=(6, 7, 8, 9, 10, 16, 17, 18, 19, 20, 21, 22, 23),
    right=(1, 2, 3, 4, 5, 24, 25, 26, 27, 28, 29, 30, 31),
)

# "Neck" is the Neck/Nose joint and "Foot" the ankle of the published joint lists.
H36M_17 = Skeleton(
    name="h36m_17",
    joints=(
        *("Hip", "RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot", "Spine", "Thorax", "Neck", "Head"),
        *("LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist"),
    ),
    # Both shoulders hang on the thorax here, in the 32 joints on static copies of it below the spine.
    parents=(-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15),
    left=(4, 5, 6, 11, 12, 13),
    right=(1, 2, 3, 14, 15, 16),
)

# GraFormer and SemGCN: the 17 joints without the neck.
H36M_16 = Skeleton(
    name="h36m_16",
    joints=tuple(joint for joint in H36M_17.joints if joint != "Neck"),
    parents=(-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 8, 10, 11, 8, 13, 14),
    left=(4, 5, 6, 10, 11, 12),
    right=(1, 2, 3, 13, 14, 15),
)

HUMANEVA_15 = Skeleton(
    name="humaneva_15",
    joints=(
        *("Pelvis", "Thorax", "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist"),
        *("LHip", "LKnee", "LAnkle", "RHip", "RKnee", "RAnkle", "Head"),
    ),
    parents=(-1, 0, 1, 2, 3, 1, 5, 6, 0, 8, 9, 0, 11, 12, 1),
    left=(2, 3, 4, 8, 9, 10),
    right=(5, 6, 7, 11, 12, 13),
)

# The annotation of MPI-INF-3DHP as P-STMO and its successors store it.
MPI_INF_3DHP_17 = Skeleton(
    name="mpi_inf_3dhp_17",
    joints=(
        *("HeadTop", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist"),
        *("RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "Pelvis", "Spine", "Head"),
    ),
    parents=(1, 15, 1, 2, 3, 1, 5, 6, 14, 8, 9, 14, 11, 12, -1, 14, 1),
    left=(5, 6, 7, 11, 12, 13),
    right=(2, 3, 4, 8, 9, 10),
)

# The joints that mesh sets label: 24 of a body, of several sources together, and 21 of a right hand.
BODY_24 = Skeleton(
    name="body_24",
    joints=(
        *("RAnkle", "RKnee", "RHip", "LHip", "LKnee", "LAnkle", "RWrist", "RElbow", "RShoulder"),
        *("LShoulder", "LElbow", "LWrist", "Neck", "HeadTop", "Pelvis", "Thorax", "Spine", "Jaw", "Head"),
        *("Nose", "LEye", "REye", "LEar", "REar"),
    ),
    parents=(1, 2, 14, 14, 3, 4, 7, 8, 15, 15, 9, 10, 15, 18, -1, 16, 14, 18, 12, 18, 19, 19, 20, 21),
    left=(5, 4, 3, 11, 10, 9, 20, 22),
    right=(0, 1, 2, 6, 7, 8, 21, 23),
)
# Those of the 24 that networks on mesh sets predict. The neck begins the tree: the pelvis, from which positions count,
# is none of them.
BODY_14 = Skeleton(
    name="body_14",
    joints=(*BODY_24.joints[:13], "Head"),
    parents=(1, 2, 12, 12, 3, 4, 7, 8, 12, 12, 9, 10, -1, 12),
    left=(5, 4, 3, 11, 10, 9),
    right=(0, 1, 2, 6, 7, 8),
)
HAND_21 = Skeleton(
    name="hand_21",
    joints=("Wrist", *(f"{finger}{number}" for finger in ("Thumb", "Index", "Middle", "Ring", "Little")
                       for number in range(1, 5))),
    parents=(-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19),
    left=(),
    right=(),
)  # fmt: skip
