#!/usr/bin/env bash
# Minari writes pictures as JPEG: what a data set returns is not what was recorded.
#
# minari 0.5.4 with pillow 13.0.0, HDF5 (Arrow does the same), without being asked and without a
# warning. Observations that are uint8 of shape (H, W, 3) or (H, W) come back changed: noise by up to
# 243 of 255, squares of three pixels, red and green as in a grid world, by 199. Channels first,
# (3, H, W), comes back exactly. An agent that learns from such a data set sees other pictures than
# the environment shows it later.
#
# Seen (the largest difference of a number):
#   (32, 32, 3): noise 243, squares 199
#   (32, 32): noise 42, squares 20
#   (3, 32, 32): noise 0, squares 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "minari[hdf5]==0.5.4" pillow==13.0.0 gymnasium==1.4.0 numpy==2.4.6
export MINARI_DATASETS_PATH="$folder/datasets"
"$folder/venv/bin/python" -W ignore - 2>"$folder/warnings" <<'PYTHON' || { cat "$folder/warnings"; exit 1; }
import gymnasium as gym
import minari
import numpy as np
from minari.data_collector import EpisodeBuffer


def largest_change(name, frames):
    """Record an episode, read it back, and compare."""
    buffer = EpisodeBuffer(
        id=0,
        observations=list(frames),
        actions=[np.zeros(1, np.float32)] * 4,
        rewards=[0.0] * 4,
        terminations=[False, False, False, True],
        truncations=[False] * 4,
        infos={},
    )
    dataset = minari.create_dataset_from_buffers(
        dataset_id=name,
        buffer=[buffer],
        observation_space=gym.spaces.Box(0, 255, frames.shape[1:], np.uint8),
        action_space=gym.spaces.Box(-1, 1, (1,)),
        data_format="hdf5",
    )
    return int(np.abs(dataset[0].observations.astype(int) - frames).max())


changes = {}
for shape in ((32, 32, 3), (32, 32), (3, 32, 32)):
    noise = np.random.default_rng(0).integers(0, 256, (5, *shape), dtype=np.uint8)
    rows, columns = np.indices((32, 32))
    red = 255 * ((rows // 3 + columns // 3) % 2).astype(np.uint8)  # squares of three pixels
    colours = {3: np.stack([red, 255 - red, 0 * red], axis=0 if shape[0] == 3 else -1), 2: red}
    squares = np.repeat(colours[len(shape)][None], 5, axis=0)
    name = "x".join(map(str, shape))
    changes[shape] = (
        largest_change(f"pictures/noise{name}-v0", noise),
        largest_change(f"pictures/squares{name}-v0", squares),
    )
    print(f"{shape}: noise {changes[shape][0]}, squares {changes[shape][1]}")
assert changes[(32, 32, 3)][0] > 100, "changed: colour pictures are closer to what was recorded"
assert changes[(32, 32)][0] > 10, "changed: grey pictures are closer to what was recorded"
assert changes[(3, 32, 32)] == (0, 0), "changed: channels first is no longer exact"
PYTHON
