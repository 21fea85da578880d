// An epoch of PPO, with its gradients by hand, and its advantages.
// The formulas are those of ppo/losses.py; a test holds them together.
#pragma once
#include <numeric>
#include <optional>

#include "cell.h"
#include "heads.h"

namespace {
// A network of PPO: hidden layers, a cell perhaps, and the last layer.
struct Net {
  Mlp hidden;
  std::optional<Cell> cell = {};
  std::optional<Mlp> last = {};

  static Net of(at::TensorList parameters, bool relu, bool has_cell) {
    const size_t n = parameters.size();
    if (!has_cell) return {Mlp{parameters, relu}};
    return {Mlp{parameters.slice(0, n - 6), relu, true}, Cell{parameters.slice(n - 6, 4)},
            Mlp{parameters.slice(n - 2, 2), relu}};
  }

  // starts: (L, B), state: (B, S); without a cell they are not read.
  Tensor forward(const Tensor& x, const Tensor& starts, const Tensor& state) {
    const Tensor y = hidden.forward(x);
    if (!cell) return y;
    cell->forward(y, starts, state);
    return last->forward(cell->outputs());
  }

  void backward(const Tensor& gradient, Tensors* gradients) const {
    if (!cell) {
      hidden.backward(gradient, gradients, false);
      return;
    }
    Tensors of_cell, of_last;
    const Tensor of_output = last->backward(gradient, &of_last, true);
    hidden.backward(cell->backward(of_output, &of_cell), gradients, false);
    gradients->insert(gradients->end(), of_cell.begin(), of_cell.end());
    gradients->insert(gradients->end(), of_last.begin(), of_last.end());
  }

  // What the last layer reads, without a cell.
  const Tensor& latent() const { return hidden.outputs.end()[-2]; }
};

struct PpoOptions {  // as floats: clip_vf and target_kl are infinite where there is none
  double clip, clip_vf, ent_coef, vf_coef, max_grad_norm, target_kl;
  bool normalize, pessimistic;  // the latter: the larger of both errors of values counts
};

struct PpoMeasured {
  double policy_loss = 0, value_loss = 0, entropy = 0, kl = 0, clip_fraction = 0;
};

template <typename T>
struct PpoBatch {
  const int64_t* rows;
  int64_t size;
  const T *old_values, *old_log_prob, *advantages, *returns, *values;
  T* of_values;

  template <typename Distribution>
  PpoMeasured losses(Distribution policy, const PpoOptions& o) const {
    PpoMeasured m;
    T shift = 0, scale = 1;
    if (o.normalize && size > 1) std::tie(shift, scale) = moments();
    const double share = 1.0 / size;
    const T low = T(1 - o.clip), high = T(1 + o.clip);
    for (int64_t r = 0; r < size; ++r) {
      const int64_t i = rows[r];
      T entropy;
      const T log_ratio = policy.log_prob(r, i, &entropy) - old_log_prob[i];
      const T ratio = std::exp(log_ratio), advantage = (advantages[i] - shift) / scale;
      const T clipped = std::min(std::max(ratio, low), high);
      const bool counts = clipped == ratio || advantage * ratio < advantage * clipped;
      m.policy_loss -= std::min(advantage * ratio, advantage * clipped) * share;
      m.entropy += entropy * share;
      m.kl += (ratio - 1 - log_ratio) * share;
      m.clip_fraction += (std::abs(ratio - 1) > T(o.clip)) * share;
      policy.backward(r, i, counts ? T(-share) * advantage * ratio : T(0), T(-o.ent_coef * share));
      value(r, i, o, &m);
    }
    return m;
  }

  void value(int64_t r, int64_t i, const PpoOptions& o, PpoMeasured* m) const {
    const T change = values[r] - old_values[i], most = T(o.clip_vf);
    const bool inside = std::abs(change) <= most;
    const T predicted =
        std::isinf(o.clip_vf) ? values[r] : old_values[i] + std::min(std::max(change, -most), most);
    const T clipped = predicted - returns[i], plain = values[r] - returns[i];
    const bool takes_plain = o.pessimistic && plain * plain > clipped * clipped;
    const T error = takes_plain ? plain : clipped;
    m->value_loss += error * error / size;
    of_values[r] = inside || takes_plain ? T(2 * o.vf_coef / size) * error : T(0);
  }

  std::pair<T, T> moments() const {
    double mean = 0, squares = 0;
    for (int64_t r = 0; r < size; ++r) mean += advantages[rows[r]] / double(size);
    for (int64_t r = 0; r < size; ++r) squares += std::pow(advantages[rows[r]] - mean, 2);
    return {T(mean), T(std::sqrt(squares / (size - 1)) + 1e-8)};
  }
};

template <typename T>
double squares(const T* values, int64_t n) {
  constexpr int kLanes = 16;
  T sums[kLanes] = {}, rest = 0;
  for (; n >= kLanes; n -= kLanes, values += kLanes)
    for (int k = 0; k < kLanes; ++k) sums[k] += values[k] * values[k];
  for (int64_t i = 0; i < n; ++i) rest += values[i] * values[i];
  return std::accumulate(sums, sums + kLanes, double(rest));
}

void clip_norm(const Tensors& gradients, double most) {  // 0: no limit
  if (most <= 0) return;
  AT_DISPATCH_FLOATING_TYPES(gradients[0].scalar_type(), "clip_norm", [&] {
    double sum = 0;
    for (const Tensor& each : gradients) sum += squares(each.data_ptr<scalar_t>(), each.numel());
    const double factor = most / (std::sqrt(sum) + 1e-6);
    if (factor >= 1) return;
    for (const Tensor& each : gradients) {
      scalar_t* values = each.data_ptr<scalar_t>();
      for (int64_t i = 0; i < each.numel(); ++i) values[i] *= scalar_t(factor);
    }
  });
}

// What was collected: observations (N, W), actions (N, A) or (N,), old values, old
// log-probabilities, advantages, returns (N,); with memory, too, the beginnings of episodes (K, L)
// and the states of actor and critic (K, S).
struct PpoRollout {
  const Tensors tensors;
  int64_t length() const { return tensors.size() > 6 ? tensors[6].size(1) : 1; }

  // Transitions of sequences, those of a step side by side.
  Tensor rows(const Tensor& numbers) const {
    if (length() == 1) return numbers;
    return (at::arange(length()).unsqueeze(1) + numbers * length()).flatten();
  }

  Tensor starts(const Tensor& numbers) const {
    if (tensors.size() == 6) return {};
    return tensors[6].index_select(0, numbers).t().contiguous();
  }

  Tensor states(int64_t which, const Tensor& numbers) const {
    return tensors.size() == 6 ? Tensor() : tensors[7 + which].index_select(0, numbers);
  }
};

struct PpoHead {
  c10::string_view name;  // gaussian, state_gaussian, beta, or any other one: categorical
  at::IntArrayRef sizes;  // of the latter
  double least_share;
  bool has_std() const { return name == "gaussian" || name == "state_gaussian"; }
};

// latent: (B, L), log_std: (L, A)
template <typename T>
PpoMeasured state_gaussian_losses(const PpoBatch<T>& batch, const Tensor& means,
                                  const Tensor& latent, const Tensor& actions,
                                  const Tensor& log_std, const PpoOptions& o,
                                  const Tensor& of_means, const Tensor& of_log_std) {
  const Tensor squares = latent.square(), variances = (log_std * 2).exp_();
  const Tensor variance = squares.mm(variances).add_(1e-6), of_variance = at::empty_like(variance);
  const StateGaussian<T> policy{means.data_ptr<T>(),    variance.data_ptr<T>(),
                                actions.data_ptr<T>(),  of_means.data_ptr<T>(),
                                of_variance.data_ptr<T>(), means.size(1)};
  const PpoMeasured m = batch.losses(policy, o);
  of_log_std.copy_(squares.t().mm(of_variance).mul_(variances).mul_(2));
  return m;
}

template <typename T>
PpoMeasured losses(const PpoBatch<T>& batch, const PpoHead& head, const Net& actor,
                   const Tensor& outputs, const Tensor& actions, const Tensor& log_std,
                   const PpoOptions& o, const Tensor& of_outputs, const Tensor& of_log_std) {
  if (head.name == "state_gaussian")
    return state_gaussian_losses(batch, outputs, actor.latent(), actions, log_std, o, of_outputs,
                                 of_log_std);
  T *mine = outputs.data_ptr<T>(), *of_mine = of_outputs.data_ptr<T>();
  const int64_t n = outputs.size(1);
  if (head.name == "beta")
    return batch.losses(Beta<T>{mine, actions.data_ptr<T>(), of_mine, n / 2, head.least_share}, o);
  if (head.name == "gaussian")
    return batch.losses(Gaussian<T>{mine, log_std.data_ptr<T>(), actions.data_ptr<T>(), of_mine,
                                    of_log_std.data_ptr<T>(), n},
                        o);
  return batch.losses(Categorical<T>{mine, actions.data_ptr<int64_t>(), of_mine, head.sizes, n}, o);
}

// parameters: those of the actor, of the critic, and the log standard deviation if the head
// has one. order: (K,), of sequences. Returns one row per minibatch: policy loss, value loss,
// negative entropy, divergence, clipped share, whole loss; the last one was not learned from if its
// divergence is too large.
Tensor ppo_epoch(at::TensorList parameters, int64_t n_actor, int64_t n_critic, bool has_cell,
                 c10::string_view head_name, at::IntArrayRef sizes, at::TensorList state,
                 at::TensorList kept, const Tensor& order, int64_t batch_size, bool relu,
                 double rate, at::ArrayRef<double> betas_and_eps, at::ArrayRef<double> options) {
  const PpoOptions o{options[0], options[1], options[2], options[3],
                     options[4], options[5], options[6] != 0, options[8] != 0};
  const PpoHead head{head_name, sizes, options[7]};
  const PpoRollout rollout{kept.vec()};
  Net actor = Net::of(parameters.slice(0, n_actor), relu, has_cell);
  Net critic = Net::of(parameters.slice(n_actor, n_critic), relu, has_cell);
  std::vector<double> rows;
  for (int64_t start = 0; start < order.size(0); start += batch_size) {
    const Tensor numbers = order.slice(0, start, std::min(start + batch_size, order.size(0)));
    const Tensor chosen = rollout.rows(numbers), starts = rollout.starts(numbers);
    const Tensor x = rollout.tensors[0].index_select(0, chosen);
    const Tensor outputs = actor.forward(x, starts, rollout.states(0, numbers));
    const Tensor values = critic.forward(x, starts, rollout.states(1, numbers));
    const Tensor of_outputs = at::empty_like(outputs), of_values = at::empty_like(values);
    const Tensor of_log_std = head.has_std() ? at::zeros_like(parameters.back()) : Tensor();
    PpoMeasured m;
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "ppo_epoch", [&] {
      const auto data = [&](int i) { return rollout.tensors[i].data_ptr<scalar_t>(); };
      const PpoBatch<scalar_t> batch{chosen.data_ptr<int64_t>(), chosen.size(0), data(2), data(3),
                                     data(4), data(5), values.data_ptr<scalar_t>(),
                                     of_values.data_ptr<scalar_t>()};
      m = losses(batch, head, actor, outputs, rollout.tensors[1], parameters.back(), o, of_outputs,
                 of_log_std);
    });
    const double loss = m.policy_loss - o.ent_coef * m.entropy + o.vf_coef * m.value_loss;
    rows.insert(rows.end(),
                {m.policy_loss, m.value_loss, -m.entropy, m.kl, m.clip_fraction, loss});
    if (m.kl > 1.5 * o.target_kl) break;
    Tensors gradients;
    actor.backward(of_outputs, &gradients);
    critic.backward(of_values, &gradients);
    if (head.has_std()) gradients.push_back(of_log_std);
    clip_norm(gradients, o.max_grad_norm);
    adam(parameters, gradients, state, rate, betas_and_eps);
  }
  return at::tensor(rows, at::kDouble).view({-1, 6});
}

// Generalised advantages (T, N): https://arxiv.org/abs/1506.02438. ends: (T, N), whether an episode
// ended with that step; next_values: (N,), of what follows the last step.
Tensor gae(const Tensor& rewards, const Tensor& values, const Tensor& ends,
           const Tensor& next_values, double gamma, double lambda) {
  Tensor advantages = at::empty_like(rewards);
  const int64_t n_steps = rewards.size(0), n = rewards.size(1);
  const float *reward = rewards.data_ptr<float>(), *value = values.data_ptr<float>(),
              *end = ends.data_ptr<float>(), *last = next_values.data_ptr<float>();
  float* out = advantages.data_ptr<float>();
  for (int64_t env = 0; env < n; ++env) {
    double sum = 0;
    for (int64_t t = n_steps - 1; t >= 0; --t) {
      const int64_t i = t * n + env;
      const double next = t + 1 < n_steps ? value[i + n] : last[env], goes_on = 1.0 - end[i];
      sum = reward[i] + gamma * next * goes_on - value[i] + gamma * lambda * goes_on * sum;
      out[i] = float(sum);
    }
  }
  return advantages;
}
}  // namespace
