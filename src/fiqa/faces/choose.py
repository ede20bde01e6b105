"""Which of the detected faces is meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from ..core.errors import SettingsError
from .detect import Face

Policy = Literal["largest", "central", "all"]
POLICIES: tuple[Policy, ...] = get_args(Policy)


def check_policy(policy: Policy) -> Policy:
    """The policy itself; an unknown one is a SettingsError."""
    if policy not in POLICIES:
        raise SettingsError(f"face must be one of {', '.join(POLICIES)}, got {policy!r}")
    return policy


def choose(faces: Sequence[Face], shape: tuple[int, ...], *, policy: Policy = "largest") -> list[Face]:
    """The faces meant, primary face first; none where none was detected.

    Args:
        faces: Faces of one photograph.
        shape: Height and width of the photograph (further entries are ignored).
        policy: ``"largest"`` takes the box with the largest part inside the photograph, ``"central"`` the
            box whose centre is nearest to the photograph's; ``"all"`` takes every face, largest first. Ties
            keep the given order.

    Raises:
        SettingsError: If the policy is unknown.
    """
    check_policy(policy)
    if not faces:
        return []
    boxes = np.stack([face.box for face in faces])
    size = np.array(shape[1::-1])
    if policy == "central":
        offset = boxes[:, :2] + boxes[:, 2:] / 2 - size / 2
        order = np.argsort((offset**2).sum(axis=1), kind="stable")
    else:
        visible = (boxes[:, :2] + boxes[:, 2:]).clip(0, size) - boxes[:, :2].clip(0, size)
        order = np.argsort(-visible.prod(axis=1), kind="stable")
    return [faces[index] for index in (order if policy == "all" else order[:1])]
