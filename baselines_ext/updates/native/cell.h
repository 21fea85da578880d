// Recurrent cells over sequences, with their gradients by hand; formulas and order of gates are
// those of torch.nn.RNN, GRU and LSTM.
#pragma once
#include "mlp.h"

namespace {
// One step of B rows. Sizes: H is the width, G the number of gates, S that of the state.
template <typename T>
struct CellStep {
  int64_t n_rows, width;
  Tensor all_gates, all_kept;  // what `gates` and `kept` point into
  T *gates;                    // (B, G H), the input's share; becomes activations
  const T *hidden;             // (B, G H), the state's share
  const T *before;             // (B, S)
  T *after, *kept;             // (B, S); (B, H), for the way back
  const T *of_after = nullptr; // gradients: of the state after, what is known;
  T *of_gates = nullptr, *of_hidden = nullptr, *of_before = nullptr;  // of the rest, wanted
};

struct Rnn {
  static constexpr int kStates = 1;
  static constexpr bool kHiddenIsAdded = true;  // so that its gradient is that of the gates

  template <typename T>
  static void forward(CellStep<T>& s) {
    const int64_t n = s.n_rows * s.width;
    for (int64_t i = 0; i < n; ++i) s.gates[i] += s.hidden[i];
    tanh_in_place(s.all_gates);
    std::copy(s.gates, s.gates + n, s.after);
  }

  template <typename T>
  static void backward(CellStep<T>& s) {
    const int64_t n = s.n_rows * s.width;
    for (int64_t i = 0; i < n; ++i) s.of_gates[i] = s.of_after[i] * (1 - s.gates[i] * s.gates[i]);
    std::fill(s.of_before, s.of_before + n, T(0));
  }
};

struct Gru {  // gates: reset, update, new
  static constexpr int kStates = 1;
  static constexpr bool kHiddenIsAdded = false;

  template <typename T>
  static void forward(CellStep<T>& s) {
    const int64_t w = s.width;
    for (int64_t r = 0; r < s.n_rows; ++r) {
      T* a = s.gates + 3 * r * w;
      const T* h = s.hidden + 3 * r * w;
      for (int64_t j = 0; j < 2 * w; ++j) a[j] += h[j];
      std::copy(h + 2 * w, h + 3 * w, s.kept + r * w);
    }
    s.all_gates.slice(1, 0, 2 * w).sigmoid_();
    for (int64_t r = 0; r < s.n_rows; ++r) {
      T *a = s.gates + 3 * r * w, *fresh = a + 2 * w;
      for (int64_t j = 0; j < w; ++j) fresh[j] = 2 * (fresh[j] + a[j] * s.kept[r * w + j]);
    }
    s.all_gates.slice(1, 2 * w).sigmoid_();
    for (int64_t r = 0; r < s.n_rows; ++r) {
      T *update = s.gates + (3 * r + 1) * w, *fresh = update + w;
      const T* old = s.before + r * w;
      for (int64_t j = 0; j < w; ++j) {
        fresh[j] = 2 * fresh[j] - 1;  // tanh, see mlp.h
        s.after[r * w + j] = fresh[j] + update[j] * (old[j] - fresh[j]);
      }
    }
  }

  template <typename T>
  static void backward(CellStep<T>& s) {
    const int64_t w = s.width;
    for (int64_t r = 0; r < s.n_rows; ++r) {
      const T *reset = s.gates + 3 * r * w, *update = reset + w, *fresh = update + w;
      T *a = s.of_gates + 3 * r * w, *h = s.of_hidden + 3 * r * w;
      for (int64_t j = 0; j < w; ++j) {
        const int64_t i = r * w + j;
        const T of_fresh = s.of_after[i] * (1 - update[j]) * (1 - fresh[j] * fresh[j]);
        const T of_reset = of_fresh * s.kept[i] * reset[j] * (1 - reset[j]);
        const T of_update =
            s.of_after[i] * (s.before[i] - fresh[j]) * update[j] * (1 - update[j]);
        a[j] = h[j] = of_reset;
        a[w + j] = h[w + j] = of_update;
        a[2 * w + j] = of_fresh;
        h[2 * w + j] = of_fresh * reset[j];
        s.of_before[i] = s.of_after[i] * update[j];
      }
    }
  }
};

struct Lstm {  // gates: input, forget, cell, output; state: hidden state, cell state
  static constexpr int kStates = 2;
  static constexpr bool kHiddenIsAdded = true;

  template <typename T>
  static void forward(CellStep<T>& s) {
    const int64_t w = s.width;
    for (int64_t r = 0; r < s.n_rows; ++r) {
      T* a = s.gates + 4 * r * w;
      const T* h = s.hidden + 4 * r * w;
      for (int64_t j = 0; j < 4 * w; ++j) a[j] += h[j];
      for (int64_t j = 2 * w; j < 3 * w; ++j) a[j] *= 2;
    }
    s.all_gates.sigmoid_();
    for (int64_t r = 0; r < s.n_rows; ++r) {
      T *a = s.gates + 4 * r * w, *kept = s.kept + r * w, *cell = s.after + (2 * r + 1) * w;
      const T* old = s.before + (2 * r + 1) * w;
      for (int64_t j = 2 * w; j < 3 * w; ++j) a[j] = 2 * a[j] - 1;  // tanh, see mlp.h
      for (int64_t j = 0; j < w; ++j) kept[j] = a[w + j] * old[j] + a[j] * a[2 * w + j];
      std::copy(kept, kept + w, cell);
    }
    tanh_in_place(s.all_kept);
    for (int64_t r = 0; r < s.n_rows; ++r) {
      const T *output = s.gates + (4 * r + 3) * w, *kept = s.kept + r * w;
      for (int64_t j = 0; j < w; ++j) s.after[2 * r * w + j] = output[j] * kept[j];
    }
  }

  template <typename T>
  static void backward(CellStep<T>& s) {
    const int64_t w = s.width;
    for (int64_t r = 0; r < s.n_rows; ++r) {
      const T *input = s.gates + 4 * r * w, *forget = input + w, *fresh = forget + w;
      const T *output = fresh + w, *kept = s.kept + r * w, *old = s.before + (2 * r + 1) * w;
      const T *of_h = s.of_after + 2 * r * w, *of_c = of_h + w;
      T *a = s.of_gates + 4 * r * w, *of_old = s.of_before + 2 * r * w;
      for (int64_t j = 0; j < w; ++j) {
        const T of_cell = of_c[j] + of_h[j] * output[j] * (1 - kept[j] * kept[j]);
        a[j] = of_cell * fresh[j] * input[j] * (1 - input[j]);
        a[w + j] = of_cell * old[j] * forget[j] * (1 - forget[j]);
        a[2 * w + j] = of_cell * input[j] * (1 - fresh[j] * fresh[j]);
        a[3 * w + j] = of_h[j] * kept[j] * output[j] * (1 - output[j]);
        of_old[j] = 0;
        of_old[w + j] = of_cell * forget[j];
      }
    }
  }
};

// What an episode leaves behind is forgotten where the next one begins.
template <typename T>
void forget(const T* starts, int64_t n_rows, int64_t size, T* state) {
  for (int64_t r = 0; r < n_rows; ++r)
    if (starts[r] != 0) std::fill(state + r * size, state + (r + 1) * size, T(0));
}

template <typename Kind, typename T>
struct CellRun {  // T steps of B rows
  at::TensorList parameters;  // weight_ih, weight_hh, bias_ih, bias_hh
  Tensor x, starts, gates, before, after, kept;
  int64_t n_steps, n_rows, width;

  CellStep<T> step(int64_t t, const Tensor& hidden) const {
    const Tensor my_gates = gates[t], my_kept = kept[t];
    return {n_rows, width, my_gates, my_kept, my_gates.template data_ptr<T>(),
            hidden.template data_ptr<T>(), at(before, t), at(after, t), at(kept, t)};
  }

  static T* at(const Tensor& all, int64_t t) {
    return all.template data_ptr<T>() + t * all.stride(0);
  }

  void forward(const Tensor& state) {
    const Tensor weights = parameters[1].t();
    const int64_t size = Kind::kStates * width;
    const T* previous = state.template data_ptr<T>();
    for (int64_t t = 0; t < n_steps; ++t) {
      std::copy(previous, previous + n_rows * size, at(before, t));
      forget(at(starts, t), n_rows, size, at(before, t));
      const Tensor hidden = at::addmm(parameters[3], before[t].slice(1, 0, width), weights);
      auto s = step(t, hidden);
      Kind::forward(s);
      previous = at(after, t);
    }
  }

  // of_outputs: (T B, H). Returns the gradient of the input.
  Tensor backward(const Tensor& of_outputs, Tensors* gradients) const {
    const int64_t size = Kind::kStates * width;
    const Tensor of_gates = at::empty_like(gates);
    const Tensor of_hidden = Kind::kHiddenIsAdded ? of_gates : at::empty_like(gates);
    Tensor of_after = at::zeros_like(before[0]), of_before = at::empty_like(of_after);
    const Tensor unused = gates[0];
    for (int64_t t = n_steps - 1; t >= 0; --t) {
      T* known = of_after.template data_ptr<T>();
      const T* of_output = of_outputs.template data_ptr<T>() + t * n_rows * width;
      for (int64_t r = 0; r < n_rows; ++r)
        for (int64_t j = 0; j < width; ++j) known[r * size + j] += of_output[r * width + j];
      auto s = step(t, unused);
      s.of_after = known;
      s.of_gates = at(of_gates, t);
      s.of_hidden = at(of_hidden, t);
      s.of_before = of_before.template data_ptr<T>();
      Kind::backward(s);
      of_before.slice(1, 0, width).addmm_(of_hidden[t], parameters[1]);
      forget(at(starts, t), n_rows, size, of_before.template data_ptr<T>());
      std::swap(of_after, of_before);
    }
    const Tensor all = of_gates.flatten(0, 1), all_hidden = of_hidden.flatten(0, 1);
    const Tensor remembered = before.flatten(0, 1).slice(1, 0, width);
    const Tensor of_bias = all.sum(0);
    *gradients = {all.t().mm(x), all_hidden.t().mm(remembered), of_bias,
                  Kind::kHiddenIsAdded ? of_bias.clone() : all_hidden.sum(0)};
    return all.mm(parameters[0]);
  }
};

struct Cell {
  at::TensorList parameters;  // weight_ih, weight_hh, bias_ih, bias_hh
  Tensor x, starts, gates, before, after, kept = {};

  // input: (T B, I), starts: (T, B), state: (B, S). Returns the states (T, B, S).
  Tensor forward(const Tensor& input, const Tensor& starts_of, const Tensor& state) {
    const int64_t n_steps = starts_of.size(0), n_rows = starts_of.size(1);
    x = input;
    starts = starts_of;
    gates = at::addmm(parameters[2], x, parameters[0].t()).view({n_steps, n_rows, -1});
    before = at::empty({n_steps, n_rows, state.size(1)}, x.options());
    after = at::empty_like(before);
    kept = at::empty({n_steps, n_rows, parameters[1].size(1)}, x.options());
    run([&](auto each) { each.forward(state); });
    return after;
  }

  Tensor outputs() const {
    return after.slice(2, 0, parameters[1].size(1)).flatten(0, 1).contiguous();
  }

  Tensor backward(const Tensor& of_outputs, Tensors* gradients) const {
    Tensor of_input;
    run([&](auto each) { of_input = each.backward(of_outputs, gradients); });
    return of_input;
  }

 private:
  template <typename Function>
  void run(Function function) const {
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "cell", [&] {
      const int64_t width = parameters[1].size(1), n_gates = parameters[1].size(0) / width;
      const auto with = [&]<typename Kind>() {
        function(CellRun<Kind, scalar_t>{parameters, x, starts, gates, before, after, kept,
                                         starts.size(0), starts.size(1), width});
      };
      if (n_gates == 1) with.template operator()<Rnn>();
      if (n_gates == 3) with.template operator()<Gru>();
      if (n_gates == 4) with.template operator()<Lstm>();
    });
  }
};

// States after each step (T, B, S) of x (T, B, I); starts: (T, B), state: (B, S).
Tensor unroll(at::TensorList parameters, const Tensor& x, const Tensor& starts,
              const Tensor& state) {
  return Cell{parameters}.forward(x.flatten(0, 1), starts, state);
}
}  // namespace
