"""Programs for other processors: emitted, linked with a small driver in C, and run in one process, emulated if need be.

What a program works on is an image: blocks of memory, the places in them that hold addresses, and in block 0 the
call. The driver reads images from a file, runs them and writes their blocks to another file.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from koubai.compile import drive
from koubai.compile.drive import write_drive
from koubai.compile.llvm import Machine, host
from koubai.compile.llvm.engine import linkable
from koubai.compile.native import write_program
from koubai.compile.place import planned
from koubai.compile.shuffle import scratch_bytes
from koubai.compile.team.following import write_team

TEAM = ("launch", "retire", "follow", "prepare", "dismiss")
WORD = 8

DRIVER = """
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
typedef long (*Call)(long, long, long, long, long, long, long);
static char shared[1024] __attribute__((aligned(64)));
int callback(int number) { return 1; }
SYMBOLS
static FILE *in, *out;
static void get(void *to, long bytes) { if (fread(to, 1, bytes, in) != bytes) exit(2); }
static long word(void) { long x; get(&x, 8); return x; }
static void *other(void *number) { follow((long)shared, (long)number); return 0; }

int main(int count, char **arguments) {
    in = fopen(arguments[1], "rb"), out = fopen(arguments[2], "wb");
    long threads = atol(arguments[3]);
    pthread_t team[threads];
    prepare((long)shared);
    for (long k = 1; k < threads; k++) pthread_create(&team[k], 0, other, (void *)k);
    for (long images = word(); images; images--) {
        long blocks = word(), sizes[blocks], place[4];
        char *block[blocks];
        for (long k = 0; k < blocks; k++) {
            block[k] = aligned_alloc(64, ((sizes[k] = word()) + 127) / 64 * 64);
            get(block[k], sizes[k]);
        }
        for (long places = word(); places; places--) {
            get(place, sizeof place);
            long base = place[2] < 0 ? (long)symbols[-1 - place[2]] : (long)block[place[2]];
            *(long *)(block[place[0]] + place[1]) = base + place[3];
        }
        long *call = (long *)block[0];
        call[0] = ((Call)call[0])(call[1], call[2], call[3], call[4], call[5], call[6], call[7]);
        retire((long)shared);
        for (long k = 0; k < blocks; k++) fwrite(block[k], 1, sizes[k], out), free(block[k]);
    }
    dismiss((long)shared);
    for (long k = 1; k < threads; k++) pthread_join(team[k], 0);
    return fclose(out);
}
"""


class Image:
    """Memory for one call in the other process; its arrays are replaced by what they are afterwards."""

    def __init__(self, function: str, *given: Any) -> None:
        self.blocks: list[Any] = []
        self.places: list[tuple[int, int, Any, int]] = []
        call = self.block(np.zeros(8, np.int64))
        for k, x in enumerate((function, *given)):
            self.put(call, k, x)

    def block(self, array: Any) -> int:
        self.blocks.append(np.array(array, order="C"))
        return len(self.blocks) - 1

    def put(self, block: int, word: int, value: Any, offset: int = 0) -> None:
        """Write the address of a block or of a function, or a plain number, into a word of a block."""
        if isinstance(value, np.integer):
            self.blocks[block].view(np.int64).reshape(-1)[word] = value
        else:
            self.places.append((block, WORD * word, value, offset))

    @property
    def status(self) -> int:
        """What the call has returned, as a C int."""
        return int(self.blocks[0].astype(np.int32)[0])


class Bench:
    """Collects programs for a processor, and runs them.

    Parameters
    ----------
    machine : Machine
    threads : int
        Of the team that runs what is worth sharing.
    """

    def __init__(self, machine: Machine, threads: int = 1) -> None:
        self.machine, self.threads = machine, threads
        self.objects: dict[str, bytes] = {}
        self.images: list[Image] = []
        self.functions = ["callback", "shared", "drive", *TEAM]
        self.add_code("drive", write_drive(machine.triple).text())
        self.add_code("team", write_team(machine.triple).text())

    def add_code(self, name: str, text: str) -> None:
        self.objects[name] = linkable(text, self.machine)

    def program(self, inputs: Any, outputs: Any, updates: Sequence[tuple[int, int]] = ()) -> Emitted:
        """A graph as a program of the other processor."""
        made = Emitted(self, f"program{len(self.functions)}", inputs, outputs, updates)
        self.functions.append(made.name)
        return made

    def image(self, function: str, *given: Any) -> Image:
        self.images.append(Image(function, *given))
        return self.images[-1]

    def run(self, folder: Path) -> None:
        """Link everything and run all images."""
        compiler, emulator = tools(self.machine)
        for name, code in self.objects.items():
            (folder / f"{name}.o").write_bytes(code)
        written = [x for x in self.functions if x not in ("callback", "shared")]
        declared = "".join(f"long {name}();\n" for name in written)
        symbols = f"{declared}static void *symbols[] = {{{', '.join(self.functions)}}};"
        (folder / "driver.c").write_text(DRIVER.replace("SYMBOLS", symbols))
        sources = ["driver.c", *(f"{name}.o" for name in self.objects)]
        subprocess.run(
            [*compiler, "-w", "-static", "-o", "driver", *sources, "-lm", "-lpthread"], cwd=folder, check=True
        )
        with open(folder / "in", "wb") as file:
            self._write(file)
        subprocess.run([*emulator, "./driver", "in", "out", str(self.threads)], cwd=folder, check=True, timeout=120)
        with open(folder / "out", "rb") as file:
            for image in self.images:
                image.blocks = [
                    np.frombuffer(file.read(x.nbytes), x.dtype).reshape(x.shape).copy() for x in image.blocks
                ]

    def _write(self, file: Any) -> None:
        def words(*numbers: int) -> None:
            file.write(np.array(numbers, np.int64).tobytes())

        words(len(self.images))
        for image in self.images:
            words(len(image.blocks))
            for x in image.blocks:
                words(x.nbytes)
                file.write(x.tobytes())
            words(len(image.places))
            for block, at, target, offset in image.places:
                known = target if isinstance(target, int) else -1 - self.functions.index(target)
                words(block, at, known, offset)


class Emitted:
    """A graph's program: its object goes to the bench, its memory into images."""

    def __init__(self, bench: Bench, name: str, inputs: Any, outputs: Any, updates: Any) -> None:
        self.bench, self.name = bench, name
        self.plan, self.nests = planned(inputs, outputs, updates)
        made = write_program(self.nests, self.plan.temporaries, bench.machine, name)
        bench.add_code(name, made.module.text())
        self.parallel = made.parallel and bench.threads > 1
        self.bytes = made.arena + bench.threads * made.scratch

    def memory(self, image: Image, values: Sequence[Any]) -> tuple[int, int, list[int]]:
        """The table and the arena as blocks of an image, and the block of each slot (-1 for none)."""
        blocks = [-1] * max(self.plan.count, 1)
        for buffer, x in zip(self.plan.inputs, values):
            blocks[buffer.slot] = image.block(np.asarray(x, buffer.type.dtype))
        for slot, x in self.plan.constants.items():
            blocks[slot] = image.block(x)
        for buffer in self.plan.outputs:
            if blocks[buffer.slot] < 0:
                blocks[buffer.slot] = image.block(np.full(buffer.type.shape, 7, buffer.type.dtype))
        table = image.block(np.zeros(len(blocks), np.int64))
        for slot, block in enumerate(blocks):
            if block >= 0:
                image.put(table, slot, block)
        return table, image.block(np.zeros(self.bytes + 64, np.uint8)), blocks

    def call(self, values: Sequence[Any], *, shared: bool = True) -> Any:
        """A run on these inputs: a function that returns the status and the outputs afterwards."""
        bench, zero = self.bench, np.int64(0)
        several = shared and self.parallel
        image = bench.image("launch" if several else self.name)
        table, arena, blocks = self.memory(image, values)
        if several:
            given = self.name, table, arena, "callback", "shared", np.int64(bench.threads)
        else:
            given = table, arena, "callback", zero, np.int64(1), zero, zero
        for k, x in enumerate(given):
            image.put(0, 1 + k, x)
        return lambda: (image.status, [image.blocks[blocks[b.slot]] for b in self.plan.outputs])

    def course(self, values: Sequence[Any], rows: Any, times: int, keys: Any) -> Any:
        """Epochs of so many runs by the native loop, as `course.Course` takes them.

        The first output is the loss, `rows` the input that holds the numbers of a batch's rows. Returns a
        function that gives the status, the inputs' last values and the sums of the losses.
        """
        bench, size = self.bench, rows.type.shape[0]
        image = bench.image("drive")
        table, arena, blocks = self.memory(image, values)
        words = image.block(np.zeros(drive.WORDS, np.int64))
        stretch = image.block(np.zeros(drive.FIELDS, np.int64))
        order = image.block(np.zeros(times * size, np.int64))
        moves = image.block(np.array([rows.slot, 0, WORD * size]))
        state = image.block(np.arange(100, dtype=np.uint8))
        kept, sums = image.block(np.zeros(100, np.uint8)), image.block(np.zeros(len(keys)))
        scratch = image.block(np.zeros(scratch_bytes(times * size), np.uint8))
        loss = self.plan.outputs[0]
        image.put(0, 1, words)
        image.put(moves, 1, order)
        fields = {
            drive.PROGRAM: self.name, drive.TABLE: table, drive.ARENA: arena, drive.CALLBACK: "callback",
            drive.TIMES: np.int64(times), drive.EXAMPLES: np.int64(size), drive.MOVES: moves,
            drive.NUMBER_OF_MOVES: np.int64(1), drive.LOSS: blocks[loss.slot],
            drive.WIDE: np.int64(loss.type.dtype.itemsize == 8), drive.PARALLEL: np.int64(self.parallel),
        }  # fmt: skip
        for k, x in fields.items():
            image.put(stretch, k, x)
        given = {
            drive.STRETCHES: stretch, drive.COUNT: np.int64(1), drive.WANTED: np.int64(len(keys)),
            drive.SUMS: sums, drive.BEST: np.float64(np.inf).view(np.int64), drive.BEST_EPOCH: np.int64(-1),
            drive.STATE: state, drive.KEPT: kept, drive.BYTES: np.int64(100), drive.LAUNCH: "launch",
            drive.SHARED: "shared", drive.THREADS: np.int64(bench.threads), drive.ORDER: order,
            drive.LENGTH: np.int64(times * size), drive.KEYS: image.block(keys), drive.SCRATCH: scratch,
        }  # fmt: skip
        for k, x in given.items():
            image.put(words, k, x)

        def found() -> tuple[Any, ...]:
            assert np.array_equal(image.blocks[kept], image.blocks[state])
            inputs = [image.blocks[blocks[b.slot]] for b in self.plan.inputs]
            return image.status, inputs, image.blocks[sums], image.blocks[order]

        return found


def tools(machine: Machine) -> tuple[list[str], list[str]]:
    """A C compiler for a processor and what emulates it here."""
    if machine.triple.startswith("aarch64") and platform.machine() != "aarch64":
        return ["aarch64-linux-gnu-gcc"], [shutil.which("qemu-aarch64") or "qemu-aarch64-static"]
    return ["cc"], []


def missing(machine: Machine) -> str | None:
    """Why code for a processor cannot be run here."""
    compiler, emulator = tools(machine)
    if not emulator and (
        platform.machine() != machine.triple.split("-")[0] or machine.vector_bytes > host().vector_bytes
    ):
        return f"this processor does not run {machine.cpu} code"
    absent = [name for name in (*compiler, *emulator) if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else None
