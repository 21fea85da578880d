#!/usr/bin/env bash
# Each PointMaze and AntMaze leaves a file in the folder for temporary files.
#
# gymnasium-robotics 1.4.2. An environment writes its model to `ant_maze<seconds>.xml` beside a
# temporary folder instead of in it (PointMaze, too, under that name), and nothing removes it:
# neither `close()` nor the end of the process. A search makes some environments for each run, so
# the folder fills with thousands of files, and where it is full no maze can be made.
#
# Seen:
#   3 PointMaze_UMaze-v3 made and closed: 3 files left
#   3 AntMaze_UMaze-v5 made and closed: 6 files left
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet gymnasium-robotics==1.4.2 gymnasium==1.4.0 mujoco==3.10.0 numpy==2.4.6
mkdir "$folder/temporary"
TMPDIR="$folder/temporary" "$folder/venv/bin/python" -W ignore - 2>"$folder/warnings" <<'PYTHON' || { cat "$folder/warnings"; exit 1; }
import os

import gymnasium as gym
import gymnasium_robotics

gym.register_envs(gymnasium_robotics)
for n_files, name in ((3, "PointMaze_UMaze-v3"), (6, "AntMaze_UMaze-v5")):
    for _ in range(3):
        env = gym.make(name)
        env.reset(seed=0)
        env.close()
    left = [file for file in os.listdir(os.environ["TMPDIR"]) if file.startswith("ant_maze")]
    print(f"3 {name} made and closed: {len(left)} files left")
    assert len(left) == n_files, "changed: mazes no longer leave one file each"
PYTHON
