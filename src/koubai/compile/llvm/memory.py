"""Instructions that read and write memory, alone or beside other threads."""

from __future__ import annotations

from koubai.compile.llvm.instructions import Instructions
from koubai.compile.llvm.values import BITS, FLOATS, Value, bytes_of, element_of, lanes_of, vector

__all__ = ["MemoryInstructions"]


class MemoryInstructions(Instructions):
    """With addresses, loads and stores."""

    def offset(self, pointer: Value, index: Value | int, element: str, *, inside: bool = True) -> Value:
        """The address of an element, counted in elements; `inside`: within the array or just behind it."""
        if isinstance(index, int):
            index = self.integer(index)
        if index.text == "0":
            return pointer
        how = "getelementptr inbounds" if inside else "getelementptr"
        return self._op(f"{how} {element}, ptr {pointer.text}, i64 {index.text}", "ptr")

    def load(self, pointer: Value, type: str, align: int | None = None) -> Value:
        """Aligned to the element unless said otherwise."""
        return self._op(f"load {type}, ptr {pointer.text}, align {align or bytes_of(type)}", type)

    def store(self, value: Value, pointer: Value, align: int | None = None) -> None:
        self.line(f"store {value}, ptr {pointer.text}, align {align or bytes_of(value.type)}")

    def masked_load(self, pointer: Value, type: str, mask: Value) -> Value:
        """Zero in the lanes that the mask (bits) leaves out, which are not read."""
        name, align = f"llvm.masked.load.{_overload(type)}.p0", bytes_of(type)
        self.module.declared[name] = f"declare {type} @{name}(ptr, {mask.type}, {type})"
        return self._op(f"call {type} @{name}(ptr align {align} {pointer.text}, {mask}, {type} zeroinitializer)", type)

    def masked_store(self, value: Value, pointer: Value, mask: Value) -> None:
        name, align = f"llvm.masked.store.{_overload(value.type)}.p0", bytes_of(value.type)
        self.module.declared[name] = f"declare void @{name}({value.type}, ptr, {mask.type})"
        self.line(f"call void @{name}({value}, ptr align {align} {pointer.text}, {mask})")

    def atomic_add(self, pointer: Value, value: Value) -> Value:
        """Add to memory that other threads see; the value before."""
        return self._op(f"atomicrmw add ptr {pointer.text}, {value} seq_cst, align 8", value.type)

    def atomic_load(self, pointer: Value, type: str) -> Value:
        return self._op(f"load atomic {type}, ptr {pointer.text} seq_cst, align 8", type)

    def atomic_store(self, value: Value, pointer: Value) -> None:
        self.line(f"store atomic {value}, ptr {pointer.text} seq_cst, align 8")

    def pause(self) -> None:
        """Let the processor rest for some cycles while it waits for another one."""
        kind = (self.module.triple or "").partition("-")[0]
        if kind == "x86_64":
            self.call("llvm.x86.sse2.pause", "void")
        elif kind in ("aarch64", "arm64"):
            # Its own hint to rest ends at once on most processors; emptying the pipeline takes some cycles.
            self.call("llvm.aarch64.isb", "void", self.integer(15, "i32"))

    def compare_exchange(self, pointer: Value, old: Value, new: Value) -> Value:
        """Write `new` if memory still holds `old`; whether it did (an i1)."""
        both = self._op(f"cmpxchg ptr {pointer.text}, {old}, {new} seq_cst seq_cst", f"{{ {old.type}, i1 }}")
        return self._op(f"extractvalue {both}, 1", "i1")

    def offsets(self, pointer: Value, indices: Value, element: str) -> Value:
        """The addresses of the elements that a vector of indices names."""
        type = vector("ptr", lanes_of(indices.type))
        return self._op(f"getelementptr inbounds {element}, ptr {pointer.text}, {indices}", type)

    def gather(self, pointers: Value, type: str, mask: Value) -> Value:
        """A load from another address in each lane; zero where the mask is."""
        name, align = f"llvm.masked.gather.{_overload(type)}.v{lanes_of(type)}p0", bytes_of(type)
        self.module.declared[name] = f"declare {type} @{name}({pointers.type}, {mask.type}, {type})"
        return self._op(
            f"call {type} @{name}({pointers.type} align {align} {pointers.text}, {mask}, {type} zeroinitializer)", type
        )

    def scatter(self, value: Value, pointers: Value, mask: Value) -> None:
        """A store to another address from each lane that the mask lets through, in the lanes' order."""
        type = value.type
        name, align = f"llvm.masked.scatter.{_overload(type)}.v{lanes_of(type)}p0", bytes_of(type)
        self.module.declared[name] = f"declare void @{name}({type}, {pointers.type}, {mask.type})"
        self.line(f"call void @{name}({value}, {pointers.type} align {align} {pointers.text}, {mask})")

    def copy(self, source: Value, target: Value, count: Value) -> None:
        """So many bytes, between places that do not overlap."""
        name = "llvm.memcpy.p0.p0.i64"
        self.module.declared[name] = f"declare void @{name}(ptr, ptr, i64, i1)"
        self.line(f"call void @{name}({target}, {source}, {count}, i1 false)")

    @staticmethod
    def first_lanes(count: int, lanes: int) -> Value:
        """The mask of the first `count` lanes."""
        body = ", ".join(f"i1 {'true' if k < count else 'false'}" for k in range(lanes))
        return Value(f"<{body}>", vector("i1", lanes))

    def variable(self, start: Value) -> Value:
        """A place on the stack that LLVM turns into a register; read and set by `load` and `store`."""
        with self.at(self.entry):
            place = self._op(f"alloca {start.type}", "ptr")
        self.store(start, place)
        return place


def _overload(type: str) -> str:
    element, lanes = element_of(type), lanes_of(type)
    return f"v{lanes}{f'f{BITS[element]}' if element in FLOATS else element}"
