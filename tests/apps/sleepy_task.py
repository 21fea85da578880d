"""A task for sweeps that learns nothing: it sleeps, reports a curve, and returns as a run does."""

import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

import hydra  # noqa: E402
from hydra.core.hydra_config import HydraConfig  # noqa: E402
from hydra.utils import UNSAFE_DISABLE_EXECUTION_CHECKS  # noqa: E402
from omegaconf import DictConfig  # noqa: E402

from interface.errors import UserError  # noqa: E402
from interface.instantiation import instantiate  # noqa: E402
from interface.result import RunResult, Status  # noqa: E402


@hydra.main(
    config_path=".",
    config_name="sleepy_task",
    execution_whitelist=UNSAFE_DISABLE_EXECUTION_CHECKS,
)
def main(cfg: DictConfig) -> RunResult | float | None:
    """Reach ``quality`` after a while; a good ``x`` is near 0.7, and seeds differ a little."""
    if cfg.fails:
        raise RuntimeError("this task fails, as it was told to")
    if cfg.returns == "refusal":
        raise UserError("no value of x is right")
    if cfg.returns is not None:
        return {"nothing": None, "not_a_number": float("nan"), "number": cfg.x}[cfg.returns]
    run_dir = Path(HydraConfig.get().runtime.output_dir)
    monitor = instantiate(cfg.run_monitor)
    quality = 1 - abs(cfg.x - 0.7) - 0.01 * (cfg.seed % 3)
    for epoch in range(1, cfg.n_epochs + 1):
        time.sleep(cfg.epoch_seconds)
        success = quality * epoch / cfg.n_epochs
        reason = monitor.report(epoch, {"eval/success_rate": success, "eval/goal_distance": 1.0})
        if reason is not None:
            return RunResult((success,), reason.value, epoch, 100 * epoch)
        if success >= cfg.early_stop_threshold:
            break
    with (run_dir / "ended.log").open("a") as file:
        file.write("ended\n")
    status = Status.SUCCESS if success >= cfg.early_stop_threshold else Status.FINISHED
    score = 2 - epoch / cfg.n_epochs if status is Status.SUCCESS else success
    return RunResult((score,), status, epoch, 100 * epoch)


if __name__ == "__main__":
    main()
