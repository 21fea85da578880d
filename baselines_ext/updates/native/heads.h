// Distributions of actions: log-probabilities and entropies, with their gradients by hand.
// The formulas are those of networks/heads.py and SB3; a test holds them together.
#pragma once
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace {
const double kHalfLogTwoPi = 0.5 * std::log(2 * M_PI);

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

  void backward(int64_t row, int64_t i, T of_log_prob, T of_entropy) {
    for (int64_t j = 0; j < n; ++j) {
      const T inverse = std::exp(-log_std[j]);
      const T z = (actions[i * n + j] - mean[row * n + j]) * inverse;
      of_mean[row * n + j] = of_log_prob * z * inverse;
      of_log_std[j] += of_log_prob * (z * z - 1) + of_entropy;
    }
  }
};

// Exploration that depends on the state: https://arxiv.org/abs/2005.05719
template <typename T>
struct StateGaussian {
  const T *mean, *variance, *actions;
  T *of_mean, *of_variance;
  int64_t n;

  T log_prob(int64_t row, int64_t i, T* entropy) {
    T sum = 0;
    *entropy = 0;
    for (int64_t j = 0; j < n; ++j) {
      const T v = variance[row * n + j], away = actions[i * n + j] - mean[row * n + j];
      const T log_std = T(0.5) * std::log(v);
      sum -= T(0.5) * away * away / v + log_std + T(kHalfLogTwoPi);
      *entropy += log_std + T(0.5 + kHalfLogTwoPi);
    }
    return sum;
  }

  void backward(int64_t row, int64_t i, T of_log_prob, T of_entropy) {
    for (int64_t j = 0; j < n; ++j) {
      const T v = variance[row * n + j], away = actions[i * n + j] - mean[row * n + j];
      of_mean[row * n + j] = of_log_prob * away / v;
      of_variance[row * n + j] = T(0.5) * (of_log_prob * (away * away / v - 1) + of_entropy) / v;
    }
  }
};

// Choices that are independent of each other: one of Discrete actions, several of MultiDiscrete.
template <typename T>
struct Categorical {
  T* logits;  // become log-probabilities
  const int64_t* actions;
  T* of_logits;
  at::IntArrayRef sizes;  // numbers of actions to choose from, their logits side by side
  int64_t n;              // of all logits

  T log_prob(int64_t row, int64_t i, T* entropy) {
    T *mine = logits + row * n, sum = 0;
    *entropy = 0;
    for (size_t k = 0; k < sizes.size(); mine += sizes[k++]) {
      const int64_t size = sizes[k];
      const T most = *std::max_element(mine, mine + size);
      T all = 0;
      for (int64_t j = 0; j < size; ++j) all += std::exp(mine[j] - most);
      const T norm = most + std::log(all);
      for (int64_t j = 0; j < size; ++j) mine[j] -= norm;
      *entropy += entropy_of(mine, size);
      sum += mine[actions[i * sizes.size() + k]];
    }
    return sum;
  }

  void backward(int64_t row, int64_t i, T of_log_prob, T of_entropy) {
    const T* log_p = logits + row * n;
    T* mine = of_logits + row * n;
    for (size_t k = 0; k < sizes.size(); log_p += sizes[k], mine += sizes[k++]) {
      const T entropy = of_entropy == 0 ? T(0) : entropy_of(log_p, sizes[k]);
      const int64_t action = actions[i * sizes.size() + k];
      for (int64_t j = 0; j < sizes[k]; ++j) {
        const T p = std::exp(log_p[j]);
        mine[j] = of_log_prob * (T(j == action) - p) - of_entropy * p * (log_p[j] + entropy);
      }
    }
  }

  static T entropy_of(const T* log_p, int64_t size) {
    T sum = 0;
    for (int64_t j = 0; j < size; ++j) sum -= std::exp(log_p[j]) * log_p[j];
    return sum;
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

  void backward(int64_t row, int64_t i, T of_log_prob, T of_entropy) {
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
}  // namespace
