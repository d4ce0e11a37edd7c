"""B. Messages on a layered composite function, and why passing them is backpropagation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from telling import BLUE, GREY, RED, Telling, Words, begin

import koubai as kb
import koubai.numpy as knp

Array = np.ndarray[Any, Any]
Layer = Callable[[Any, Any], Any]  # g(z, theta)


class Composite(NamedTuple):
    """G = g^T o ... o g^1: functions of (z, theta), their parameters of any size, and the input z^0."""

    layers: list[Layer]
    thetas: list[Array]
    z: Array


class Pass(NamedTuple):
    """What the two passes leave: z^0 ... z^T, dg^t/dz, the messages (node before x node after), the gradients."""

    values: list[Array]
    local: list[Array]
    messages: list[Array]
    gradients: list[Array]


TARGET = np.array([0.5, -0.5])


def example() -> Composite:
    """Two inputs, three nodes, three nodes with one common parameter, two nodes, the loss."""
    layers = [
        lambda z, w: knp.tanh(w @ z),
        lambda z, a: knp.sin(a[0] * z),
        lambda z, w: w @ z,
        lambda z, _: knp.reshape(knp.sum((z - TARGET) ** 2), (1,)),
    ]
    first, last = np.array([[0.5, -1.0], [1.0, 0.3], [-0.4, 0.8]]), np.array([[1.0, -0.5, 0.7], [0.2, 0.9, -1.0]])
    return Composite(layers, [first, np.array([2.0]), last, np.zeros(0)], np.array([1.0, 2.0]))


def random_composite(seed: int) -> Composite:
    rng = np.random.default_rng(seed)
    widths = [*rng.integers(1, 5, size=rng.integers(2, 7)), 1]
    bend = [knp.tanh, knp.sin, kb.special.expit, lambda u: u]
    chosen = [bend[i] for i in rng.integers(0, len(bend), size=len(widths) - 1)]
    return Composite(
        [lambda z, w, h=h: h(w @ z) for h in chosen],
        [rng.normal(size=(after, before)) for before, after in pairwise(widths)],
        rng.normal(size=widths[0]),
    )


def pass_messages(g: Composite) -> Pass:
    """delta[n, n'] = d_n g_n' * (sum of the messages that n' received), from the loss back to the inputs."""
    values, towards_nodes, towards_thetas = [g.z], [], []
    for layer, theta in zip(g.layers, g.thetas):
        dz, dtheta = kb.jacobian(layer, argnums=(0, 1))(values[-1], theta)
        towards_nodes.append(dz)
        towards_thetas.append(dtheta)
        values.append(layer(values[-1], theta))
    messages, gradients = [], []
    received = np.ones(1)  # the last function holds the loss itself
    for dz, dtheta in zip(reversed(towards_nodes), reversed(towards_thetas)):
        gradients.append(np.tensordot(received, dtheta, axes=1))
        messages.append(dz.T * received + 0.0)  # no -0
        received = messages[-1].sum(axis=1)
    return Pass(values, towards_nodes, messages[::-1], gradients[::-1])


def loss(g: Composite, thetas: list[Any]) -> Any:
    z: Any = g.z
    for layer, theta in zip(g.layers, thetas):
        z = layer(z, theta)
    return z[0]


def gap(g: Composite) -> float:
    """Largest difference between the gradients of message passing and of backpropagation."""
    ours, theirs = pass_messages(g).gradients, kb.grad(lambda thetas: loss(g, thetas))(g.thetas)
    return max(float(np.abs(a - b).max(initial=0)) for a, b in zip(ours, theirs))


def draw_messages(figure: Any, words: Words, done: Pass) -> None:
    axes, top = figure.subplots(), max(np.abs(m).max() for m in done.messages)
    axes.axis("off")
    centered = {"ha": "center", "va": "center"}
    place = [[(float(t), (len(z) - 1) / 2 - n) for n in range(len(z))] for t, z in enumerate(done.values)]
    for t, message in enumerate(done.messages, 1):
        for (n, sender), value in np.ndenumerate(message):
            if value == 0:
                continue
            end, start = np.array(place[t - 1][n]), np.array(place[t][sender])
            color = RED if value > 0 else BLUE
            arrow = {"arrowstyle": "-|>", "lw": 0.6 + 3 * abs(value) / top, "shrinkA": 22, "shrinkB": 22}
            axes.annotate("", end, start, arrowprops={"color": color, **arrow})
            box = {"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none"}
            axes.text(*(0.4 * end + 0.6 * start), f"{value:.3g}", color=color, bbox=box, fontsize=9, **centered)
    received = [m.sum(axis=1) for m in done.messages] + [np.ones(1)]
    for t, column in enumerate(place):
        axes.text(t, 1.45, f"$z^{t}$", ha="center")
        for at, total in zip(column, received[t]):
            axes.plot(*at, "o", ms=42, color="white", mec=GREY)
            axes.text(*at, f"{total:.3g}", fontsize=10, **centered)
    axes.set(xlim=(-0.4, len(place) - 0.6), ylim=(-1.5, 1.9))
    axes.set_title(words("messages on the arrows, their sums in the nodes", "矢印はメッセージ、ノードの中はその和"))


def derive(tell: Telling, g: Composite) -> Pass:
    done = pass_messages(g)
    tell.heading("Pass 1, forward: values and local derivatives", "1回目、順伝播: 値と局所微分")
    print(f"  z^0 = {np.array2string(g.z, precision=4)}")
    for t, (z, dz) in enumerate(zip(done.values[1:], done.local), 1):
        print(f"  z^{t} = {np.array2string(z, precision=4)}")
        print(f"    ∂g^{t}/∂z = {np.array2string(dz + 0.0, precision=4, prefix='    ∂g^1/∂z = ')}")
    tell.heading(
        "Pass 2, backward: messages δ^t, node n of layer t-1 <- node n' of layer t",
        "2回目、逆伝播: メッセージ δ^t、第 t-1 層のノード n ← 第 t 層のノード n'",
    )
    tell(
        "  δ^t[n <- n'] = ∂g^t_n'/∂z_n * (sum of what n' received); the loss starts with 1",
        "  δ^t[n ← n'] = ∂g^t_n'/∂z_n * (n' が受け取ったメッセージの和)、損失は 1 から始めます",
    )
    for t in range(len(done.messages), 0, -1):
        message = done.messages[t - 1]
        print(f"  δ^{t} = {np.array2string(message, precision=4, prefix='  δ^1 = ')}")
        tell(
            f"    each node's sum, ∂E/∂z^{t - 1}: {np.array2string(message.sum(axis=1), precision=4)}",
            f"    ノードごとの和 ∂E/∂z^{t - 1}: {np.array2string(message.sum(axis=1), precision=4)}",
        )
    tell.heading(
        "Gradients: sum over nodes of (what the node received) * (its derivative by θ)",
        "勾配: (ノードが受け取った和) * (θ による微分) をノードについて足す",
    )
    for t, gradient in enumerate(done.gradients[:-1], 1):
        print(f"  ∂E/∂θ^{t} = {np.array2string(gradient, precision=4, prefix='  ∂E/∂θ^1 = ')}")
    return done


def same_as_backpropagation(tell: Telling, g: Composite) -> None:
    tell.heading("It is backpropagation", "これは逆伝播そのものである")
    tell(
        "What a node receives adds up to ∂E/∂z_n. For the loss that is 1. If it holds for the nodes n' of layer t,\n"
        "then node n of layer t-1 receives the sum over n' of (∂g_n'/∂z_n * ∂E/∂z_n'), which is the chain rule for\n"
        "∂E/∂z_n. So it holds for every layer, by induction from the loss down.",
        "ノードが受け取る和は ∂E/∂z_n に等しくなります。損失では 1 です。第 t 層の各ノード n' で成り立つなら、\n"
        "第 t-1 層のノード n が受け取るのは ∂g_n'/∂z_n * ∂E/∂z_n' を n' について足したもので、これは ∂E/∂z_n の\n"
        "連鎖律そのものです。したがって、損失から順に、帰納法によりすべての層で成り立ちます。",
    )
    worst = max(gap(random_composite(seed)) for seed in range(50))
    tell(
        f"Largest difference from koubai's gradients: here {gap(g):.1e}, in 50 random compositions {worst:.1e}",
        f"koubai の勾配との最大差: 上の例で {gap(g):.1e}、乱数で作った合成関数50個で {worst:.1e}",
    )


def network() -> tuple[kb.nn.Sequential, Array, Array]:
    """A network, four examples and their targets."""
    rng = np.random.default_rng(0)
    model = kb.nn.Sequential(kb.nn.Linear(2, 3), kb.nn.Tanh(), kb.nn.Linear(3, 2))
    for p in model.parameters():
        p.value = rng.normal(size=p.shape)
    return model, rng.normal(size=(4, 2)), rng.normal(size=(4, 2))


def as_composite(model: kb.nn.Sequential, x: Array, t: Array) -> Composite:
    """The same network for one example, as a composite function."""
    first, _, last = model
    layers = [
        lambda z, theta: z @ theta[:-1] + theta[-1],
        lambda z, _: knp.tanh(z),
        lambda z, theta: z @ theta[:-1] + theta[-1],
        lambda z, _: knp.reshape(knp.sum((z - t) ** 2), (1,)),
    ]
    thetas = [np.vstack([layer.weight.numpy(), layer.bias.numpy()]) for layer in (first, last)]
    return Composite(layers, [thetas[0], np.zeros(0), thetas[1], np.zeros(0)], x)


def network_gap() -> float:
    """Largest difference between `kb.messages` and the passes above, over examples and layers."""
    model, x, t = network()
    sent = kb.messages(model, x, t, lambda y, t: knp.sum((y - t) ** 2))
    ours = [pass_messages(as_composite(model, *pair)).messages for pair in zip(x, t)]
    return max(float(np.abs(sent[k][n] - m).max()) for n, one in enumerate(ours) for k, m in enumerate(one))


def of_a_network(tell: Telling) -> None:
    model, x, t = network()
    tell.heading("For a network: kb.messages(model, x, t, loss)", "ネットワークなら kb.messages(model, x, t, loss)")
    print(kb.messages(model, x, t, "mse"))
    tell(
        f"All examples at once; largest difference from the two passes above: {network_gap():.1e}",
        f"全例をまとめて計算します。上の2回の計算との最大差は {network_gap():.1e} です。",
    )


def main(argv: Sequence[str] | None = None) -> None:
    tell, g = begin(__doc__ or "", argv), example()
    done = derive(tell, g)
    same_as_backpropagation(tell, g)
    of_a_network(tell)
    tell.picture("b_messages", lambda figure, words: draw_messages(figure, words, done), (10.0, 4.6))


if __name__ == "__main__":
    main()
