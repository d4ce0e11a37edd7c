"""The emitter that writes LLVM IR, and the engine that turns IR into code."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from llvmlite import binding, ir

from koubai.compile.plan import Buffer

__all__ = ["NativeCode", "NativeEmitter"]

I64, I32, I8, BIT = ir.IntType(64), ir.IntType(32), ir.IntType(8), ir.IntType(1)
POINTER = ir.PointerType()
CALLBACK = ir.FunctionType(I32, [I32, POINTER])
FLOATS = {"float32": ir.FloatType(), "float64": ir.DoubleType()}

# LLVM's intrinsics of these names; the others are functions of the C library.
INTRINSICS = ("sqrt", "exp", "exp2", "log", "log2", "log10", "sin", "cos", "floor", "ceil", "trunc", "rint", "fabs")
LIBRARY = ("tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "expm1", "log1p", "cbrt")
LIBRARY2 = ("atan2", "hypot", "fmod", "copysign", "pow")


class Value:
    """A scalar in the emitted code and the dtype that it stands for."""

    __slots__ = ("dtype", "ir")

    def __init__(self, value: Any, dtype: Any) -> None:
        self.ir = value
        self.dtype = np.dtype(dtype)


def storage(dtype: Any) -> Any:
    """The IR type of an element in memory."""
    return FLOATS[dtype.name] if dtype.kind == "f" else ir.IntType(8 * dtype.itemsize)


def register(dtype: Any) -> Any:
    """The IR type of a value: truth values are single bits."""
    return BIT if dtype.kind == "b" else storage(dtype)


class NativeEmitter:
    """Writes one function ``int program(void **table, int (*callback)(int, void **))``."""

    def __init__(self, name: str) -> None:
        self.module = ir.Module(name=name)
        self.module.triple = binding.get_process_triple()
        self.function = ir.Function(self.module, ir.FunctionType(I32, [POINTER, CALLBACK.as_pointer()]), "program")
        self.table, self.call = self.function.args
        entry = self.function.append_basic_block("entry")
        self.entry = ir.IRBuilder(entry)
        body = self.function.append_basic_block("body")
        self.b = ir.IRBuilder(body)
        self.bases: dict[int, Any] = {}

    def finish(self) -> str:
        """Close the function; the IR as text."""
        self.b.ret(I32(0))
        self.entry.branch(self.function.basic_blocks[1])
        return str(self.module)

    # Loops, memory, callbacks

    def comment(self, text: str) -> None:
        self.b.comment(text)

    @contextmanager
    def loops(self, shape: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        """Nested counting loops; yields the index. Axes of length one cost nothing."""
        ends = []
        index: list[Any] = []
        for n in shape:
            if n == 1:
                index.append(0)
                continue
            head = self.function.append_basic_block("loop")
            body = self.function.append_basic_block("do")
            after = self.function.append_basic_block("after")
            before = self.b.block
            self.b.branch(head)
            self.b.position_at_end(head)
            counter = self.b.phi(I64)
            counter.add_incoming(I64(0), before)
            self.b.cbranch(self.b.icmp_signed("<", counter, I64(n)), body, after)
            self.b.position_at_end(body)
            ends.append((counter, head, after))
            index.append(counter)
        yield tuple(index)
        for counter, head, after in reversed(ends):
            following = self.b.add(counter, I64(1), flags=("nuw", "nsw"))
            counter.add_incoming(following, self.b.block)
            self.b.branch(head)
            self.b.position_at_end(after)

    def _address(self, buffer: Buffer, index: Sequence[Any]) -> Any:
        if buffer.slot not in self.bases:
            place = self.entry.gep(self.table, [I64(buffer.slot)], source_etype=POINTER)
            self.bases[buffer.slot] = self.entry.load(place, typ=POINTER)
        offset: Any = 0
        stride = 1
        for i, n in zip(reversed(index), reversed(buffer.type.shape)):
            offset = self.plus(offset, self.times(i, stride))
            stride *= n
        return self.b.gep(self.bases[buffer.slot], [self._int(offset)], source_etype=storage(buffer.type.dtype))

    def load(self, buffer: Buffer, index: Sequence[Any]) -> Value:
        dtype = buffer.type.dtype
        value = self.b.load(self._address(buffer, index), typ=storage(dtype))
        if dtype.kind == "b":
            value = self.b.icmp_unsigned("!=", value, I8(0))
        return Value(value, dtype)

    def store(self, buffer: Buffer, index: Sequence[Any], value: Value) -> None:
        stored = self.b.zext(value.ir, I8) if value.dtype.kind == "b" else value.ir
        self.b.store(stored, self._address(buffer, index))

    def variable(self, start: Value) -> Any:
        place = self.entry.alloca(register(start.dtype))
        self.b.store(start.ir, place)
        return place, start.dtype

    def get(self, variable: Any) -> Value:
        place, dtype = variable
        return Value(self.b.load(place, typ=register(dtype)), dtype)

    def set(self, variable: Any, value: Value) -> None:
        self.b.store(value.ir, variable[0])

    def callback(self, number: int, node: Any) -> None:
        """Hand step `number` to Python; leave at once if it failed."""
        failed = self.b.call(self.call, [I32(number), self.table])
        stop = self.function.append_basic_block("failed")
        go_on = self.function.append_basic_block("go_on")
        self.b.cbranch(self.b.icmp_signed("!=", failed, I32(0)), stop, go_on)
        ir.IRBuilder(stop).ret(I32(1))
        self.b.position_at_end(go_on)

    # Index arithmetic: Python numbers stay Python numbers

    @staticmethod
    def _int(x: Any) -> Any:
        return I64(x) if isinstance(x, int) else x

    def plus(self, i: Any, k: Any) -> Any:
        if isinstance(i, int) and isinstance(k, int):
            return i + k
        if isinstance(i, int) and i == 0:
            return k
        return i if isinstance(k, int) and k == 0 else self.b.add(self._int(i), self._int(k), flags=("nsw",))

    def times(self, i: Any, k: int) -> Any:
        if isinstance(i, int):
            return i * k
        return i if k == 1 else self.b.mul(i, I64(k), flags=("nsw",))

    def quotient(self, i: Any, k: int) -> Any:
        return i // k if isinstance(i, int) else (i if k == 1 else self.b.udiv(i, I64(k)))

    def rest(self, i: Any, k: int) -> Any:
        return i % k if isinstance(i, int) else (0 if k == 1 else self.b.urem(i, I64(k)))

    # Scalars

    def constant(self, value: Any, dtype: Any) -> Value:
        dtype = np.dtype(dtype)
        number = dtype.type(value).item()
        if dtype.kind == "f" and dtype.itemsize == 4:
            number = float(np.float32(number))
        return Value(register(dtype)(int(number) if dtype.kind in "biu" else number), dtype)

    def number(self, value: Any, like: Value) -> Value:
        """A constant in the dtype of another value."""
        return self.constant(value, like.dtype)

    def cast(self, x: Value, dtype: Any) -> Value:
        dtype = np.dtype(dtype)
        if x.dtype == dtype:
            return x
        source, target, b = x.dtype, register(dtype), self.b
        if dtype.kind == "b":
            return self.ne(x, self.constant(0, source))
        if source.kind == "f" and dtype.kind == "f":
            value = b.fpext(x.ir, target) if dtype.itemsize > source.itemsize else b.fptrunc(x.ir, target)
        elif source.kind == "f":
            value = b.fptosi(x.ir, target) if dtype.kind == "i" else b.fptoui(x.ir, target)
        elif dtype.kind == "f":
            value = b.sitofp(x.ir, target) if source.kind == "i" else b.uitofp(x.ir, target)
        elif x.ir.type.width < target.width:
            value = b.sext(x.ir, target) if source.kind == "i" else b.zext(x.ir, target)
        else:
            value = x.ir if x.ir.type.width == target.width else b.trunc(x.ir, target)
        return Value(value, dtype)

    def _arithmetic(self, x: Value, z: Value, real: str, integer: str) -> Value:
        return Value(getattr(self.b, real if x.dtype.kind == "f" else integer)(x.ir, z.ir), x.dtype)

    def add(self, x: Value, z: Value) -> Value:
        return self._arithmetic(x, z, "fadd", "add") if x.dtype.kind != "b" else Value(self.b.or_(x.ir, z.ir), x.dtype)

    def sub(self, x: Value, z: Value) -> Value:
        return self._arithmetic(x, z, "fsub", "sub")

    def mul(self, x: Value, z: Value) -> Value:
        return self._arithmetic(x, z, "fmul", "mul")

    def div(self, x: Value, z: Value) -> Value:
        return Value(self.b.fdiv(x.ir, z.ir), x.dtype)

    def neg(self, x: Value) -> Value:
        return Value(self.b.fneg(x.ir) if x.dtype.kind == "f" else self.b.neg(x.ir), x.dtype)

    def _compare(self, sign: str, x: Value, z: Value) -> Value:
        if x.dtype.kind == "f":
            # Unordered only for !=: a NaN is unlike everything, itself included.
            bit = self.b.fcmp_unordered(sign, x.ir, z.ir) if sign == "!=" else self.b.fcmp_ordered(sign, x.ir, z.ir)
        else:
            compare = self.b.icmp_signed if x.dtype.kind == "i" else self.b.icmp_unsigned
            bit = compare(sign, x.ir, z.ir)
        return Value(bit, np.bool_)

    def eq(self, x: Value, z: Value) -> Value:
        return self._compare("==", x, z)

    def ne(self, x: Value, z: Value) -> Value:
        return self._compare("!=", x, z)

    def lt(self, x: Value, z: Value) -> Value:
        return self._compare("<", x, z)

    def le(self, x: Value, z: Value) -> Value:
        return self._compare("<=", x, z)

    def gt(self, x: Value, z: Value) -> Value:
        return self._compare(">", x, z)

    def ge(self, x: Value, z: Value) -> Value:
        return self._compare(">=", x, z)

    def select(self, c: Value, x: Value, z: Value) -> Value:
        return Value(self.b.select(c.ir, x.ir, z.ir), x.dtype)

    def call_function(self, name: str, *xs: Value) -> Value:
        """A function of one or two real numbers by its name in C."""
        kind = register(xs[0].dtype)
        if name in INTRINSICS:
            symbol = f"llvm.{name}.{'f32' if xs[0].dtype.itemsize == 4 else 'f64'}"
        else:
            symbol = name + ("f" if xs[0].dtype.itemsize == 4 else "")
        callee = self.module.globals.get(symbol)
        if callee is None:
            callee = ir.Function(self.module, ir.FunctionType(kind, [kind] * len(xs)), symbol)
        return Value(self.b.call(callee, [x.ir for x in xs]), xs[0].dtype)

    def __getattr__(self, name: str) -> Any:
        if name in INTRINSICS or name in LIBRARY or name in LIBRARY2:
            return lambda *xs: self.call_function(name, *xs)
        raise AttributeError(name)


class NativeCode:
    """Machine code in memory, callable."""

    def __init__(self, ir_text: str) -> None:
        module = binding.parse_assembly(ir_text)
        module.verify()
        machine = _machine()
        options = binding.create_pipeline_tuning_options(speed_level=3)
        options.loop_vectorization = options.slp_vectorization = True
        passes = binding.create_pass_builder(machine, options)
        passes.getModulePassManager().run(module, passes)
        self.optimized = str(module)
        self.engine = binding.create_mcjit_compiler(module, machine)
        self.engine.finalize_object()
        address = self.engine.get_function_address("program")
        self.call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(address)


@cache
def _start_llvm() -> None:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()


def _machine() -> Any:
    _start_llvm()
    target = binding.Target.from_default_triple()
    features = binding.get_host_cpu_features().flatten()
    return target.create_target_machine(cpu=binding.get_host_cpu_name(), features=features, opt=3, jit=True)
