"""Synthetic bodies and hands: models in SMPL and MANO format, poses, and rendered mesh sets."""
