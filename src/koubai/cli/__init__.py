"""The command ``koubai``. Sits on top of everything.

Messages and progress go to stderr or, where they are the answer, to stdout. The exit code is 2 for usage, 130
after Ctrl-C, 1 for everything else that goes wrong, each with one sentence and no traceback.
"""

from __future__ import annotations

import os
import signal
import sys
from io import TextIOWrapper
from typing import Any, NoReturn

import click

import koubai
from koubai.errors import KoubaiError, UsageError

__all__ = ["main"]

INTERRUPTED = 130
MOST = 10**9
ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class OfExpression(click.Command):
    """A command whose first argument may begin with a minus sign: -x^2 is an expression, not the option -x."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        place = 0
        while place < len(args) and args[place].partition("=")[0] in known:
            place += 1 if "=" in args[place] else 2  # each option but --help has a value
        if place < len(args) and args[place][:1] == "-" and args[place][:2] not in ("-", "--"):
            args = [*args[:place], f" {args[place]}", *args[place + 1 :]]  # click takes it for an argument then
        return super().parse_args(ctx, args)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(koubai.__version__, prog_name="koubai")
def cli() -> None:
    """Backpropagation with glass walls: train networks, and see what is differentiated.

    \b
    koubai train digits                        handwritten digits, bundled
    koubai train table.csv --target price      a table of your own
    koubai train folder                        IDX files, as of MNIST
    koubai verify net.py:model --data digits   one training step three ways, compared
    koubai verify-example page.txt             the numbers of a worked example, right or wrong
    koubai explain "x*y + sin(x)" x=2 y=3      the chain rule with the numbers put in
    koubai view "x*y + sin(x)" x=2 y=3         the graph as a page to step through
    koubai ops                                 every operation with its local derivative
    """


@cli.command()
@click.argument("source")
@click.option("--target", metavar="COLUMN", help="Column of a CSV file to predict: its name.  [default: the last]")
@click.option(
    "--task",
    type=click.Choice(["classification", "regression"]),
    help="What kind of target a CSV file has.  [default: decided by its values]",
)
@click.option("--hidden", metavar="N,N,...", help="Sizes of the hidden layers; 0 for none.  [default: by the data]")
@click.option("--epochs", type=click.IntRange(1, MOST), help="Passes over the examples.  [default: by the data]")
@click.option("--batch-size", type=click.IntRange(1, MOST), help="Examples a step.  [default: by the data]")
@click.option(
    "--lr", type=click.FloatRange(min=0, min_open=True), default=3e-3, show_default=True, help="Learning rate."
)
@click.option("--optimizer", default="adam", show_default=True, help="Its name: adam, sgd, adamw, ...")
@click.option(
    "--dropout", type=click.FloatRange(0, 1, max_open=True), default=0.0, help="Share of hidden units dropped."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Decides split, weights and order.")
@click.option("--out", type=click.Path(file_okay=False), help="Folder for the results.  [default: koubai-SOURCE]")
@click.option("--check/--no-check", default=True, show_default=True, help="Check the gradient numerically first.")
@click.option("--checkup", is_flag=True, help="Show gradients, updates and dead units layer by layer at the end.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, all else on stderr.")
def train(**options: Any) -> None:
    """Train a network on SOURCE by backpropagation.

    SOURCE is the name of a bundled set (digits, iris, wine, breast_cancer), a CSV file, or a folder of IDX files.
    A fifth of the examples is held out as the test part (an IDX folder brings its own).

    The folder given by --out receives model.safetensors, history.csv and curves.svg.

    Matrix products use one thread, so that the same seed gives the same bits on machines of one type; the
    environment variable KOUBAI_NUM_THREADS changes that.
    """
    from koubai.cli.train import train as run

    # Only now, since an exception that is raised while a module is imported can be lost.
    before = {
        s: signal.signal(s, _terminate)
        for s in ENDING
        if signal.getsignal(s) is signal.SIG_DFL  # not where it is ignored, as under nohup
    }
    try:
        code = run(**options)
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)
    click.get_current_context().exit(code)


@cli.command()
@click.argument("model")
@click.option("--data", "source", metavar="SOURCE", help="As in `koubai train`.  [default: what it was trained on]")
@click.option("--target", metavar="COLUMN", help="Column of a CSV file to predict: its name.  [default: the last]")
@click.option("--task", type=click.Choice(["classification", "regression"]), help="As in `koubai train`.")
@click.option("--loss", help="cross_entropy, mse, ...  [default: by the data]")
@click.option("--optimizer", help="Its name: adam, sgd, adamw, ...  [default: adam]")
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), help="Learning rate.  [default: the optimizer's]")
@click.option("--batch-size", type=click.IntRange(1, MOST), help="Examples a step.  [default: 32]")
@click.option("--step", type=click.IntRange(1, MOST), default=1, show_default=True, help="Which step of the training.")
@click.option(
    "--count", type=click.IntRange(1, MOST), default=50, show_default=True, help="Numbers differentiated numerically."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Decides the order of the examples.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def verify(**options: Any) -> None:
    """Take one training step three ways: numerically, by the interpreter, by the compiled program.

    MODEL is FILE.py:NAME, where NAME is a model, a dict of kb.verify_step's arguments (model, data, loss, ...), or a
    function without arguments that returns one of them; or a file that `koubai train` or kb.save wrote. The exit
    code is 1 where the three disagree.
    """
    from koubai.cli.verify import verify as run

    click.get_current_context().exit(run(**options))


@cli.command()
@click.argument("file", type=click.Path())
@click.option("--claims", type=click.Path(), help="Claims from another file: lines, or a CSV table name,value.")
@click.option("--lang", type=click.Choice(["en", "ja"]), default="en", show_default=True, help="Of the notes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def verify_example(**options: Any) -> None:
    """Check the printed numbers of a worked example: which are right, and which slip made the wrong ones.

    FILE holds one statement a line:

    \b
    let x = 10                         what is given: a number or a list
    let y = 20
    z = x*y                            what is computed from it
    step z rate 0.1 over x y           a step of gradient descent
    claim z = 200                      what is claimed
    claim dz/dx, dz/dy = 22.0, 11.0
    claim x' = 8.0                     after the step

    or is a CSV table with the columns kind (let, define, step, claim), name and value. Nothing in it is run. The
    exit code is 1 if a claim is wrong or cannot be computed.
    """
    from koubai.cli.verify_example import verify_example as run

    click.get_current_context().exit(run(**options))


@cli.command(cls=OfExpression)
@click.argument("what", metavar="EXPRESSION | FILE.py:NAME")
@click.argument("values", nargs=-1, metavar="[NAME=NUMBER]...")
@click.option("--wrt", metavar="NAME", help="Explain one gradient: the paths from this tensor to the output.")
@click.option("--index", metavar="I,J,...", help="Which element of it.")
@click.option("--row", type=int, default=0, show_default=True, help="For which example a network is explained.")
@click.option("--most", type=click.IntRange(1, MOST), default=10, show_default=True, help="How many paths to show.")
@click.option("--lang", type=click.Choice(["en", "ja"]), default="en", show_default=True, help="The language.")
@click.option(
    "--format", "form", type=click.Choice(["text", "latex", "html"]), default="text", show_default=True,
    help="Text, a LaTeX document or an HTML page.",
)
@click.option("--digits", type=click.IntRange(1, 17), default=6, show_default=True, help="Significant digits.")
@click.option("--out", metavar="FILE", help="Write to this file.  [default: print]")
def explain(**options: Any) -> None:
    """Write out the chain rule with the numbers put in.

    \b
    koubai explain "x*y + sin(x)" x=2 y=3
    koubai explain "tanh(w*x + b)" w=0.5 x=2 b=-1 --lang ja
    koubai explain net.py:example --wrt hidden.weight --index 3,1

    NAME in FILE.py is a tensor, a dict with model, data (x, t) and loss, or a function without arguments that returns
    one of them. Each gradient is compared with numerical differentiation.
    """
    from koubai.cli.explain import explain as run

    click.get_current_context().exit(run(**options))


@cli.command(cls=OfExpression)
@click.argument("what", metavar="EXPRESSION | FILE.py:NAME")
@click.argument("values", nargs=-1, metavar="[NAME=NUMBER]...")
@click.option(
    "--out", metavar="FILE", default="view.html", show_default=True,
    help="The page; a name in .svg gets a picture, one in .dot text for Graphviz.",
)
@click.option("--title", help="The heading.  [default: the output's name]")
@click.option("--lang", type=click.Choice(["en", "ja"]), help="The language at first.  [default: the reader's]")
def view(**options: Any) -> None:
    """Draw a computation and step through its backpropagation, in one page that opens from disk.

    \b
    koubai view "x*y + sin(x)" x=2 y=3
    koubai view net.py:example --out net.html
    koubai view "tanh(w*x + b)" w=0.5 x=2 b=-1 --out neuron.svg

    What NAME in FILE.py may be: see `koubai explain`.
    """
    from koubai.cli.view import view as run

    click.get_current_context().exit(run(**options))


@cli.command()
@click.argument("pattern", default="")
@click.option("--lang", type=click.Choice(["en", "ja"]), help="Show the sentence of each op in this language.")
def ops(pattern: str, lang: str | None) -> None:
    """List the operations: name, formula, local derivative. With PATTERN only those that contain it."""
    from koubai.cli.ops import table

    click.echo(table(pattern, lang))


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command and exit."""
    _limit_threads()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a name that the terminal cannot show is no reason to fail
    sys.exit(_code(arguments))


def _limit_threads() -> None:
    """One thread for NumPy's matrix products, unless the environment says otherwise.

    Their last bits depend on the number of threads, and the products of small networks are too short to be
    divided: beside other work on the machine, threads that wait for each other make them many times slower.
    """
    if "numpy" not in sys.modules:
        for name in BLAS_THREADS:
            os.environ.setdefault(name, os.environ.get("KOUBAI_NUM_THREADS", "1"))


def _code(arguments: list[str] | None) -> int:
    try:
        return int(cli.main(arguments, prog_name="koubai", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _failed("interrupted", INTERRUPTED)
    except UsageError as error:
        return _failed(str(error), 2)
    except KoubaiError as error:
        return _failed(str(error), 1)
    except MemoryError as error:
        return _failed(f"not enough memory ({error or 'the system gave no more'}); use less data or smaller layers", 1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _failed(f"{where}{error.strerror or error}", 1)


def _terminate(number: int, _: Any) -> NoReturn:
    """End by an exception, so that what is half-written is removed and the cursor shown on the way out."""
    sys.exit(128 + number)


def _failed(message: str, code: int) -> int:
    click.echo(f"koubai: {message}", err=True)
    return code
