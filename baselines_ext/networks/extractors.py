"""Hidden layers of actor and critic: with a cell, or shared by both."""

import torch as th
from stable_baselines3.common.torch_layers import MlpExtractor
from torch import nn

from baselines_ext.networks.cells import Cell, Memory
from interface.errors import UserError

Widths = list[int] | dict[str, list[int]]


class SharedExtractor(MlpExtractor):
    """
    SB3's hidden layers, the same ones for actor and critic.

    :param n_features: that the first layer reads
    :param net_arch: widths of the layers
    :param activation: between them
    :raises UserError: if actor and critic shall have other widths
    """

    def __init__(self, n_features: int, net_arch: Widths, activation: type[nn.Module]) -> None:
        check_shareable(net_arch)
        super().__init__(n_features, net_arch, activation)
        self.value_net = self.policy_net

    def forward(self, features: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        """Compute what both read, once."""
        latent = self.policy_net(features)
        return latent, latent


class MemoryExtractor(MlpExtractor):
    """
    SB3's hidden layers of actor and critic, the last one of each being a cell.

    :param memory: makes the cells
    :param n_features: that the first layers read
    :param net_arch: widths of the layers, or those of ``pi`` and ``vf``
    :param activation: between dense layers
    :param shared: whether both networks are one
    :raises UserError: if a network has no layer, or both shall be one and have other widths
    """

    def __init__(
        self,
        memory: Memory,
        n_features: int,
        net_arch: Widths,
        activation: type[nn.Module],
        *,
        shared: bool = False,
    ) -> None:
        if shared:
            check_shareable(net_arch)
        widths = net_arch if isinstance(net_arch, dict) else {"pi": net_arch, "vf": net_arch}
        both = [list(widths.get(key, ())) for key in ("pi", "vf")]
        if not all(both):
            raise UserError(
                f"network/cell takes the place of the last dense layer, so policy.net_arch needs "
                f"one, got {net_arch}"
            )
        super().__init__(n_features, {"pi": both[0][:-1], "vf": both[1][:-1]}, activation)
        self.policy_cell = Cell(memory.module, self.latent_dim_pi, both[0][-1])
        if shared:
            self.value_net, self.value_cell = self.policy_net, self.policy_cell
        else:
            self.value_cell = Cell(memory.module, self.latent_dim_vf, both[1][-1])
        self.latent_dim_pi, self.latent_dim_vf = both[0][-1], both[1][-1]

    def dense(self, net: str) -> nn.Module:
        """
        Get the layers before the cell.

        :param net: ``policy`` or ``value``
        """
        return self.policy_net if net == "policy" else self.value_net

    def cell(self, net: str) -> Cell:
        """
        Get the cell.

        :param net: ``policy`` or ``value``
        """
        return self.policy_cell if net == "policy" else self.value_cell

    def forward_actor(self, features: th.Tensor) -> th.Tensor:
        """Compute what the head reads where an episode begins."""
        return self._at_start("policy", features)

    def forward_critic(self, features: th.Tensor) -> th.Tensor:
        """Compute what the value is made of where an episode begins."""
        return self._at_start("value", features)

    def _at_start(self, net: str, features: th.Tensor) -> th.Tensor:
        x, cell = self.dense(net)(features), self.cell(net)
        outputs, _ = cell(x[None], x.new_zeros(len(x), cell.state_size))
        return outputs[0]


def check_shareable(net_arch: Widths) -> None:
    """
    Check that actor and critic have the same widths.

    :param net_arch: of both
    :raises UserError: if they have not
    """
    if isinstance(net_arch, dict) and net_arch.get("pi") != net_arch.get("vf"):
        raise UserError(
            f"policy.shared=true needs the same widths for actor and critic, got {net_arch}"
        )
