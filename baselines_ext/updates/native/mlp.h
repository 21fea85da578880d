// Multi-layer perceptrons with their gradients by hand, and Adam.
#pragma once
#include <ATen/ATen.h>
#include <ATen/Dispatch.h>

namespace {
using at::Tensor;
using Tensors = std::vector<Tensor>;

// By the sigmoid: torch has that vectorised on all processors, and leaves tanh to MKL, which takes
// four times as long where the processor is not Intel's.
void tanh_in_place(const Tensor& y) {
  AT_DISPATCH_FLOATING_TYPES(y.scalar_type(), "tanh", [&] {
    scalar_t* values = y.data_ptr<scalar_t>();
    const int64_t n = y.numel();
    for (int64_t i = 0; i < n; ++i) values[i] *= 2;
    y.sigmoid_();
    for (int64_t i = 0; i < n; ++i) values[i] = 2 * values[i] - 1;
  });
}

struct Mlp {  // parameters: weight, bias, weight, bias, ...; remembers its layers' outputs
  at::TensorList parameters;
  bool relu;
  bool activates_last = false;
  Tensors outputs = {};

  Tensor forward(const Tensor& x) {
    outputs = {x};
    for (size_t i = 0; i < parameters.size(); i += 2) {
      Tensor y = at::addmm(parameters[i + 1], outputs.back(), parameters[i].t());
      if (i + 2 < parameters.size() || activates_last) {
        if (relu)
          y.clamp_min_(0);
        else
          tanh_in_place(y);
      }
      outputs.push_back(y);
    }
    return outputs.back();
  }

  Tensor through_activation(const Tensor& gradient, const Tensor& output) const {
    return relu ? at::threshold_backward(gradient, output, 0) : at::tanh_backward(gradient, output);
  }

  // Return the input's gradient if wanted; put the parameters' gradients where wanted.
  Tensor backward(Tensor gradient, Tensors* gradients, bool of_input) const {
    Tensors mine(parameters.size());
    if (activates_last && !parameters.empty())
      gradient = through_activation(gradient, outputs.back());
    for (int64_t i = int64_t(parameters.size()) - 2; i >= 0; i -= 2) {
      const Tensor& input = outputs[i / 2];
      if (gradients) {
        mine[i] = gradient.t().mm(input);
        mine[i + 1] = gradient.sum(0);
      }
      if (i > 0) {
        gradient = through_activation(gradient.mm(parameters[i]), input);
      } else if (of_input) {
        gradient = gradient.mm(parameters[i]);
      }
    }
    if (gradients) gradients->insert(gradients->end(), mine.begin(), mine.end());
    return gradient;
  }
};

// state: first moments, then second moments, then step counts
void adam(at::TensorList parameters, const Tensors& gradients, at::TensorList state, double rate,
          at::ArrayRef<double> betas_and_eps) {
  const size_t n = parameters.size();
  for (const Tensor& step : state.slice(2 * n, n))  // by hand: one operation each costs more
    AT_DISPATCH_FLOATING_TYPES(step.scalar_type(), "adam", [&] { *step.data_ptr<scalar_t>() += 1; });
  at::_fused_adam_(parameters, gradients, state.slice(0, n), state.slice(n, n), {},
                   state.slice(2 * n, n), rate, betas_and_eps[0], betas_and_eps[1], 0.0,
                   betas_and_eps[2], false, false);
}
}  // namespace
