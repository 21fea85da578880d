"""Write a film: the picture of the environment, and above it the strip of metrics."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio
import numpy as np
from omegaconf import DictConfig
from PIL import Image, ImageOps

from envs.markers import Marker
from experiment.evaluation.film_strip import FilmStrip, StepNumbers

FORMATS = ("mp4", "gif")
_DEFAULT_FPS = 25
_END_SECONDS = 0.6  # the last picture of an episode stays
_LEAST_WIDTH, _ENLARGED = 320, 480  # narrower ones leave no room for the strip's curves
_EVEN_SIZES = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white"]  # as H.264 wants them


class Film:
    """
    A film that grows with each picture: those of long episodes would not fit into memory.

    :param path: of the file; its suffix is one of ``FORMATS``
    :param render: the ``render`` node
    """

    def __init__(self, path: Path, render: DictConfig) -> None:
        self._path = path
        self._render = render
        self._writer: Any = None
        self._strip: FilmStrip
        self._size: tuple[int, int]
        self._fps = _DEFAULT_FPS
        self._n_layers = 0
        self._last: np.ndarray | None = None
        self._episode = 0
        self.n_frames = 0
        """Pictures written so far."""

    def add(
        self,
        env: gym.Env,
        frame: np.ndarray,
        markers: Sequence[Marker],
        steps: Sequence[StepNumbers],
    ) -> None:
        """
        Add a picture.

        :param env: that it shows
        :param frame: (height, width, 3)
        :param markers: in the picture
        :param steps: numbers of the episode so far, the first those of the reset
        """
        if len(steps) == 1:
            self._begin_episode()
            return  # the same state is shown again, with subgoals, after the first decision
        self._n_layers = max(self._n_layers, len(steps[-1].subgoals_reached))
        if self._writer is None:
            self._open(env, frame)
        title = f"episode {self._episode}, step {len(steps) - 1}"
        strip = self._strip.draw(title, markers, steps[1:], self._n_layers)
        # above the picture: players lay their controls over the lower edge
        self._last = np.concatenate([strip, self._resized(frame)])
        self._write(self._last)

    def _begin_episode(self) -> None:
        self._hold_end()
        self._episode += 1

    def _open(self, env: gym.Env, frame: np.ndarray) -> None:
        self._fps = env.metadata.get("render_fps", _DEFAULT_FPS)
        n_steps = (env.spec.max_episode_steps if env.spec else None) or 0
        self._size = self._size_for(frame)
        self._strip = FilmStrip(self._render.metrics, self._size[0], n_steps)
        if self._path.suffix == ".gif":
            duration = 1000 / self._fps
            self._writer = imageio.get_writer(self._path, duration=duration, loop=0)
        else:
            self._writer = imageio.get_writer(
                self._path, fps=self._fps, macro_block_size=1, output_params=_EVEN_SIZES
            )

    def _size_for(self, frame: np.ndarray) -> tuple[int, int]:
        """Choose width and height: those of the picture, unless it is small or others are asked."""
        height, width = frame.shape[:2]
        if width < _LEAST_WIDTH:
            width = height = _ENLARGED
        return self._render.width or width, self._render.height or height

    def _resized(self, frame: np.ndarray) -> np.ndarray:
        if frame.shape[1::-1] == self._size:
            return frame
        padded = ImageOps.pad(
            Image.fromarray(frame), self._size, Image.Resampling.LANCZOS, color="white"
        )
        return np.asarray(padded)

    def _hold_end(self) -> None:
        if self._last is not None:  # None also where the first picture could not be drawn
            for _ in range(int(_END_SECONDS * self._fps)):
                self._write(self._last)

    def _write(self, picture: np.ndarray) -> None:
        try:
            self._writer.append_data(picture)
        except (StopIteration, OSError) as error:
            raise RuntimeError(f"ffmpeg cannot be run, or cannot write {self._path}") from error
        self.n_frames += 1

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._hold_end()
            self._writer.close()
