// Gradient steps of SAC and TD3 on multi-layer perceptrons, with their gradients by hand.
// The formulas are those of sac/losses.py and td3/losses.py; a test holds them together.
#include <torch/library.h>

#include <cmath>

#include "mlp.h"
#include "ppo.h"

namespace {
std::vector<Mlp> ensemble(at::TensorList parameters, int64_t n, bool relu) {
  std::vector<Mlp> networks;
  const size_t each = parameters.size() / n;
  for (int64_t i = 0; i < n; ++i) networks.push_back({parameters.slice(i * each, each), relu});
  return networks;
}

Tensor values(std::vector<Mlp>& critics, const Tensor& x) {  // (B, n)
  Tensors columns;
  for (auto& critic : critics) columns.push_back(critic.forward(x));
  return at::cat(columns, 1);
}

Tensor critic_step(std::vector<Mlp>& critics, const Tensor& x, const Tensor& targets, double scale,
                   at::TensorList parameters, at::TensorList state, double rate,
                   at::ArrayRef<double> betas_and_eps) {
  Tensors gradients;
  Tensor loss = at::zeros({}, targets.options());
  for (auto& critic : critics) {  // one after the other: its layers are still in the cache
    const Tensor error = critic.forward(x) - targets;
    loss += scale * error.square().mean();
    critic.backward(error * (2 * scale / error.numel()), &gradients, false);
  }
  adam(parameters, gradients, state, rate, betas_and_eps);
  return loss;
}

struct Sample {
  Tensor log_std, scale, actions, squashed, log_prob;
};

Sample sample(Mlp& actor, const Tensor& observations, const Tensor& noise) {
  const auto heads = actor.forward(observations).chunk(2, 1);
  Sample s;
  s.log_std = heads[1];
  const Tensor clamped = s.log_std.clamp(-20, 2);
  s.scale = clamped.exp() * noise;
  s.actions = at::tanh(heads[0] + s.scale);
  s.squashed = 1 - s.actions.square() + 1e-6;
  s.log_prob = (-0.5 * noise.square() - clamped - 0.5 * std::log(2 * M_PI) - s.squashed.log())
                   .sum(1, true);
  return s;
}

// Both heads of the actor as one layer.
Tensors joined(at::TensorList actor) {
  const size_t hidden = actor.size() - 4;
  Tensors all = actor.slice(0, hidden).vec();
  for (size_t i : {hidden, hidden + 1}) all.push_back(at::cat({actor[i], actor[i + 2]}));
  return all;
}

// The actor: hidden layers, then the heads of mean and log standard deviation. `alpha` holds the
// coefficient, or its logarithm with the optimiser's state; `betas_and_eps` those of actor, critic
// and coefficient. Returns critic loss, actor loss,
// coefficient and its loss.
Tensors sac_step(at::TensorList actor, at::TensorList critic, at::TensorList target,
                 at::TensorList actor_state, at::TensorList critic_state, at::TensorList alpha,
                 at::TensorList batch, const Tensor& noise, const Tensor& next_noise, int64_t n,
                 bool relu, double rate, at::ArrayRef<double> betas_and_eps, double target_entropy,
                 bool entropy_in_targets, at::ArrayRef<double> range) {
  const auto of_actor = betas_and_eps.slice(0, 3), of_critic = betas_and_eps.slice(3, 3);
  const Tensors policy_parameters = joined(actor);
  Mlp policy{policy_parameters, relu}, next_policy{policy_parameters, relu};
  auto critics = ensemble(critic, n, relu), targets = ensemble(target, n, relu);
  const Sample s = sample(policy, batch[0], noise);
  Tensor coefficient = alpha[0], coefficient_loss;
  if (alpha.size() > 1) {
    const Tensor excess = (s.log_prob + target_entropy).mean();
    coefficient = alpha[0].exp();
    coefficient_loss = -(alpha[0] * excess);
    adam(alpha.slice(0, 1), {-excess.view(1)}, alpha.slice(1), rate, betas_and_eps.slice(6, 3));
  }
  const Sample next = sample(next_policy, batch[3], next_noise);
  const Tensor next_values = values(targets, at::cat({batch[3], next.actions}, 1)).amin(1, true);
  const Tensor future =
      entropy_in_targets ? next_values - coefficient * next.log_prob : next_values;
  const Tensor goals = (batch[2] + batch[4] * future).clamp_(range[0], range[1]);
  const Tensor critic_loss = critic_step(critics, at::cat({batch[0], batch[1]}, 1), goals, 0.5,
                                         critic, critic_state, rate, of_critic);
  const Tensor all = values(critics, at::cat({batch[0], s.actions}, 1));
  const Tensor least = all.amin(1, true);
  const Tensor is_least = (all == least).to(all.scalar_type());
  const Tensor share = is_least / (is_least.sum(1, true) * -double(all.size(0)));
  Tensor of_actions = coefficient / double(all.size(0)) * 2 * s.actions / s.squashed;
  for (int64_t i = 0; i < n; ++i)
    of_actions += critics[i].backward(share.slice(1, i, i + 1), nullptr, true)
                      .slice(1, batch[0].size(1));
  const Tensor of_mean = of_actions * (1 - s.actions.square());
  const Tensor inside = s.log_std.ge(-20).logical_and(s.log_std.le(2)).to(all.scalar_type());
  const Tensor of_log_std = (of_mean * s.scale - coefficient / double(all.size(0))) * inside;
  Tensors gradients;
  policy.backward(at::cat({of_mean, of_log_std}, 1), &gradients, false);
  const auto of_weights = gradients.end()[-2].chunk(2), of_biases = gradients.back().chunk(2);
  gradients.resize(gradients.size() - 2);
  for (int head : {0, 1}) gradients.insert(gradients.end(), {of_weights[head], of_biases[head]});
  adam(actor, gradients, actor_state, rate, of_actor);
  Tensors results = {critic_loss, (coefficient * s.log_prob - least).mean(), coefficient};
  if (coefficient_loss.defined()) results.push_back(coefficient_loss);
  return results;
}

// Returns the critic loss, and the actor loss where the actor was updated.
Tensors td3_step(at::TensorList actor, at::TensorList actor_target, at::TensorList critic,
                 at::TensorList target, at::TensorList actor_state, at::TensorList critic_state,
                 at::TensorList batch, const Tensor& noise, int64_t n, bool relu, double rate,
                 at::ArrayRef<double> betas_and_eps, bool update_actor,
                 at::ArrayRef<double> range) {
  Mlp policy{actor, relu}, next_policy{actor_target, relu};
  auto critics = ensemble(critic, n, relu), targets = ensemble(target, n, relu);
  const Tensor next_actions = (next_policy.forward(batch[3]).tanh_() + noise).clamp_(-1, 1);
  const Tensor next_values = values(targets, at::cat({batch[3], next_actions}, 1)).amin(1, true);
  const Tensor goals = (batch[2] + batch[4] * next_values).clamp_(range[0], range[1]);
  Tensors results = {critic_step(critics, at::cat({batch[0], batch[1]}, 1), goals, 1.0, critic,
                                 critic_state, rate, betas_and_eps.slice(3, 3))};
  if (!update_actor) return results;
  const Tensor actions = policy.forward(batch[0]).tanh();
  const Tensor q = critics[0].forward(at::cat({batch[0], actions}, 1));
  const Tensor of_q = at::full_like(q, -1.0 / q.numel());
  const Tensor of_actions =
      critics[0].backward(of_q, nullptr, true).slice(1, batch[0].size(1));
  Tensors gradients;
  policy.backward(at::tanh_backward(of_actions.contiguous(), actions), &gradients, false);
  adam(actor, gradients, actor_state, rate, betas_and_eps.slice(0, 3));
  results.push_back(-q.mean());
  return results;
}
}  // namespace

TORCH_LIBRARY(subgoal, library) {
  library.def("sac_step", &sac_step);
  library.def("td3_step", &td3_step);
  library.def("ppo_epoch", &ppo_epoch);
  library.def("gae", &gae);
  library.def("unroll", &unroll);
}
