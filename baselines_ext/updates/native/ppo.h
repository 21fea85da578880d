// An epoch of PPO on multi-layer perceptrons, with its gradients by hand, and its advantages.
// The formulas are those of ppo/losses.py; a test holds them together.
#pragma once
#include <algorithm>
#include <cmath>
#include <numeric>

#include "mlp.h"

namespace {
const double kHalfLogTwoPi = 0.5 * std::log(2 * M_PI);

struct PpoOptions {  // as floats: clip_vf and target_kl are infinite where there is none
  double clip, clip_vf, ent_coef, vf_coef, max_grad_norm, target_kl;
  bool normalize;
};

struct PpoMeasured {
  double policy_loss = 0, value_loss = 0, entropy = 0, kl = 0, clip_fraction = 0;
};

// The policy's distributions of a minibatch: log-probabilities, entropies, and gradients by both.
template <typename T>
struct Gaussian {
  const T *mean, *log_std, *actions;
  T *of_mean, *of_log_std;
  int64_t n;

  T log_prob(int64_t row, int64_t i, T* entropy) {
    T sum = 0;
    *entropy = 0;
    for (int64_t j = 0; j < n; ++j) {
      const T z = (actions[i * n + j] - mean[row * n + j]) * std::exp(-log_std[j]);
      sum -= T(0.5) * z * z + log_std[j] + T(kHalfLogTwoPi);
      *entropy += log_std[j] + T(0.5 + kHalfLogTwoPi);
    }
    return sum;
  }

  void backward(int64_t row, int64_t i, T of_log_prob, T of_entropy, T) {
    for (int64_t j = 0; j < n; ++j) {
      const T inverse = std::exp(-log_std[j]);
      const T z = (actions[i * n + j] - mean[row * n + j]) * inverse;
      of_mean[row * n + j] = of_log_prob * z * inverse;
      of_log_std[j] += of_log_prob * (z * z - 1) + of_entropy;
    }
  }
};

template <typename T>
struct Categorical {
  T* logits;  // become log-probabilities
  const int64_t* actions;
  T* of_logits;
  int64_t n;

  T log_prob(int64_t row, int64_t i, T* entropy) {
    T* mine = logits + row * n;
    const T most = *std::max_element(mine, mine + n);
    T sum = 0;
    for (int64_t j = 0; j < n; ++j) sum += std::exp(mine[j] - most);
    const T norm = most + std::log(sum);
    *entropy = 0;
    for (int64_t j = 0; j < n; ++j) {
      mine[j] -= norm;
      *entropy -= std::exp(mine[j]) * mine[j];
    }
    return mine[actions[i]];
  }

  void backward(int64_t row, int64_t i, T of_log_prob, T of_entropy, T entropy) {
    for (int64_t j = 0; j < n; ++j) {
      const T log_p = logits[row * n + j], p = std::exp(log_p);
      of_logits[row * n + j] =
          of_log_prob * (T(j == actions[i]) - p) - of_entropy * p * (log_p + entropy);
    }
  }
};

// First and second derivative of the logarithm of the gamma function, for x >= 1: shifted to where
// a few terms of their series suffice (Abramowitz and Stegun, 6.3.18 and 6.4.12).
double digamma(double x) {
  double sum = 0;
  for (; x < 6; x += 1) sum -= 1 / x;
  const double y = 1 / (x * x);
  return sum + std::log(x) - 0.5 / x -
         y * (1. / 12 - y * (1. / 120 - y * (1. / 252 - y * (1. / 240 - y * (1. / 132 - y * (691. / 32760 - y / 12))))));
}

double trigamma(double x) {
  double sum = 0;
  for (; x < 6; x += 1) sum += 1 / (x * x);
  const double y = 1 / (x * x);
  return sum + 1 / x + 0.5 * y +
         y / x * (1. / 6 - y * (1. / 30 - y * (1. / 42 - y * (1. / 30 - y * (5. / 66 - y * (691. / 2730 - y * 7. / 6))))));
}

// Over [-1, 1], in float64: see networks/heads.py.
template <typename T>
struct Beta {
  const T *outputs, *actions;
  T* of_outputs;
  int64_t n;
  double least_share;

  double parameter(int64_t k) const {  // 1 + softplus, as torch computes it
    const double x = outputs[k];
    return 1 + (x > 20 ? x : std::log1p(std::exp(x)));
  }

  double share(int64_t k) const {
    return std::min(std::max(0.5 * (double(actions[k]) + 1), least_share), 1 - least_share);
  }

  T log_prob(int64_t row, int64_t i, T* entropy) {
    double sum = 0, entropies = 0;
    for (int64_t j = 0; j < n; ++j) {
      const double a = parameter(2 * row * n + j), b = parameter((2 * row + 1) * n + j);
      const double x = share(i * n + j);
      const double norm = std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b);
      sum += (a - 1) * std::log(x) + (b - 1) * std::log1p(-x) - norm - M_LN2;
      entropies += norm - (a - 1) * digamma(a) - (b - 1) * digamma(b) +
                   (a + b - 2) * digamma(a + b) + M_LN2;
    }
    *entropy = T(entropies);
    return T(sum);
  }

  void backward(int64_t row, int64_t i, T of_log_prob, T of_entropy, T) {
    for (int64_t j = 0; j < n; ++j) {
      const int64_t ka = 2 * row * n + j, kb = ka + n;
      const double a = parameter(ka), b = parameter(kb), x = share(i * n + j);
      const double both = digamma(a + b), third = (a + b - 2) * trigamma(a + b);
      const double of_a = of_log_prob * (std::log(x) - digamma(a) + both) +
                          of_entropy * (third - (a - 1) * trigamma(a));
      const double of_b = of_log_prob * (std::log1p(-x) - digamma(b) + both) +
                          of_entropy * (third - (b - 1) * trigamma(b));
      of_outputs[ka] = T(of_a / (1 + std::exp(-double(outputs[ka]))));
      of_outputs[kb] = T(of_b / (1 + std::exp(-double(outputs[kb]))));
    }
  }
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
      policy.backward(r, i, counts ? T(-share) * advantage * ratio : T(0), T(-o.ent_coef * share),
                      entropy);
      value(r, i, o, &m);
    }
    return m;
  }

  void value(int64_t r, int64_t i, const PpoOptions& o, PpoMeasured* m) const {
    const T change = values[r] - old_values[i], most = T(o.clip_vf);
    const bool inside = std::abs(change) <= most;
    const T predicted =
        std::isinf(o.clip_vf) ? values[r] : old_values[i] + std::min(std::max(change, -most), most);
    const T error = predicted - returns[i];
    m->value_loss += error * error / size;
    of_values[r] = inside ? T(2 * o.vf_coef / size) * error : T(0);
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

void clip_norm(const Tensors& gradients, double most) {
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

// parameters: those of the actor, of the critic, and the log standard deviation if the head is
// gaussian; others: categorical, beta. rollout: observations (N, W), actions (N, A) or (N,), old values, old log-probability,
// advantages, returns (N,). order: (N,). Returns one row per minibatch: policy loss, value loss,
// negative entropy, divergence, clipped share, whole loss; the last one was not learned from if its
// divergence is too large.
Tensor ppo_epoch(at::TensorList parameters, int64_t n_actor, int64_t n_critic,
                 c10::string_view head, at::TensorList state, at::TensorList rollout, const Tensor& order, int64_t batch_size, bool relu,
                 double rate, at::ArrayRef<double> betas_and_eps, at::ArrayRef<double> options) {
  const PpoOptions o{options[0], options[1], options[2], options[3],
                     options[4], options[5], options[6] != 0};
  Mlp actor{parameters.slice(0, n_actor), relu}, critic{parameters.slice(n_actor, n_critic), relu};
  const bool gaussian = head == "gaussian";
  std::vector<double> rows;
  for (int64_t start = 0; start < order.size(0); start += batch_size) {
    const Tensor chosen = order.slice(0, start, std::min(start + batch_size, order.size(0)));
    const Tensor x = rollout[0].index_select(0, chosen);
    const Tensor outputs = actor.forward(x), values = critic.forward(x);
    const Tensor of_outputs = at::empty_like(outputs), of_values = at::empty_like(values);
    Tensor of_log_std;
    PpoMeasured m;
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "ppo_epoch", [&] {
      const auto data = [&](int i) { return rollout[i].data_ptr<scalar_t>(); };
      const PpoBatch<scalar_t> batch{chosen.data_ptr<int64_t>(), chosen.size(0), data(2), data(3),
                                     data(4), data(5), values.data_ptr<scalar_t>(),
                                     of_values.data_ptr<scalar_t>()};
      scalar_t *mine = outputs.data_ptr<scalar_t>(), *of_mine = of_outputs.data_ptr<scalar_t>();
      if (head == "beta") {
        m = batch.losses(Beta<scalar_t>{mine, data(1), of_mine, outputs.size(1) / 2, options[7]}, o);
      } else if (gaussian) {
        of_log_std = at::zeros_like(parameters.back());
        m = batch.losses(Gaussian<scalar_t>{mine, parameters.back().data_ptr<scalar_t>(), data(1),
                                            of_mine, of_log_std.data_ptr<scalar_t>(),
                                            outputs.size(1)},
                         o);
      } else {
        m = batch.losses(Categorical<scalar_t>{mine, rollout[1].data_ptr<int64_t>(), of_mine,
                                               outputs.size(1)},
                         o);
      }
    });
    const double loss = m.policy_loss - o.ent_coef * m.entropy + o.vf_coef * m.value_loss;
    rows.insert(rows.end(),
                {m.policy_loss, m.value_loss, -m.entropy, m.kl, m.clip_fraction, loss});
    if (m.kl > 1.5 * o.target_kl) break;
    Tensors gradients;
    actor.backward(of_outputs, &gradients, false);
    critic.backward(of_values, &gradients, false);
    if (gaussian) gradients.push_back(of_log_std);
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
