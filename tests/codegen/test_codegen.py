#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What compilers make of dom0/reader.c: does it load each shared word once?

C can ask for a single load, only the machine code tells whether there is one.
dom0/reader.c is compiled as for the daemon, linked without a C library and run
on an emulated processor (Unicorn), which reports every access to the page. Then
the same with twice_sync.h, where the answer has to be no.
"""

import shutil
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

try:
    import unicorn
    from unicorn import arm64_const as arm, x86_const as x86
    from elftools.elf.elffile import ELFFile
except ImportError as missing:
    print(f"skip codegen: {missing} (packages python3-unicorn, python3-pyelftools)")
    print("0 passed, 0 failed, 1 skipped")
    sys.exit(0)

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/codegen"
OUT = ROOT / "build/codegen"
# As in the Makefile.
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-g", "-fstack-protector-strong",
         "-D_FORTIFY_SOURCE=2", "-fpie", f"-I{ROOT}/shared", f"-I{ROOT}/dom0"]

COMPILERS = {
    "gcc": ["gcc"],
    "clang": ["clang"],
    "gcc-aarch64": ["aarch64-linux-gnu-gcc", "-mno-outline-atomics"],
    "clang-aarch64": ["clang", "--target=aarch64-linux-gnu"],
}

# docs/page-abi.md
HEADER, HEAD, STATE, SEQ, ARMED = 0x000, 0x040, 0x044, 0x080, 0x0c0
MAIL, MAIL_WORDS, EPOCH = 0x088, 7, 0x010
SLOT, SLOT_BYTES, SLOTS, BODY_WORDS = 0x400, 192, 16, 23

PAGE, DATA, STACK, EXIT, TLS = 0x40000000, 0x50000000, 0x60000000, 0x70000000, 0x71000000
READER, COUNT, SAMPLES = DATA, DATA + 0x100, DATA + 0x200


class Machine:
    """A processor with the linked reader, and a page beside nothing."""

    def __init__(self, path):
        with open(path, "rb") as file:
            elf = ELFFile(file)
            self.is_arm = elf.get_machine_arch() == "AArch64"
            self.symbols = {s.name: s["st_value"]
                            for s in elf.get_section_by_name(".symtab").iter_symbols()}
            segments = [(s["p_vaddr"], s["p_memsz"], s.data())
                        for s in elf.iter_segments() if s["p_type"] == "PT_LOAD"]
        self.cpu = (unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM) if self.is_arm
                    else unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64))
        self.load_segments(segments)
        for address in PAGE, DATA, EXIT, TLS:
            self.cpu.mem_map(address, 0x4000 if address == DATA else 0x1000)
        self.cpu.mem_map(STACK, 0x10000)
        if self.is_arm:
            self.cpu.reg_write(arm.UC_ARM64_REG_CPACR_EL1, 3 << 20)
        else:
            self.cpu.reg_write(x86.UC_X86_REG_FS_BASE, TLS)
        self.reads, self.writes = Counter(), Counter()
        self.cpu.hook_add(unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE,
                          self.on_access, begin=PAGE, end=PAGE + 0xfff)

    def load_segments(self, segments):
        low = min(address for address, _, _ in segments) & ~0xfff
        high = max(address + size for address, size, _ in segments)
        self.cpu.mem_map(low, (high - low + 0xfff) & ~0xfff)
        for address, _, data in segments:
            self.cpu.mem_write(address, data)

    def on_access(self, _cpu, kind, address, size, _value, _user):
        log = self.reads if kind == unicorn.UC_MEM_READ else self.writes
        log[address - PAGE, size] += 1

    def call(self, function, *arguments):
        """Its int result; self.reads and self.writes are what it did."""
        self.reads.clear()
        self.writes.clear()
        cpu = self.cpu
        if self.is_arm:
            registers = [arm.UC_ARM64_REG_X0, arm.UC_ARM64_REG_X1,
                         arm.UC_ARM64_REG_X2, arm.UC_ARM64_REG_X3]
            cpu.reg_write(arm.UC_ARM64_REG_SP, STACK + 0x8000)
            cpu.reg_write(arm.UC_ARM64_REG_LR, EXIT)
        else:
            registers = [x86.UC_X86_REG_RDI, x86.UC_X86_REG_RSI,
                         x86.UC_X86_REG_RDX, x86.UC_X86_REG_RCX]
            cpu.reg_write(x86.UC_X86_REG_RSP, STACK + 0x7ff8)
            cpu.mem_write(STACK + 0x7ff8, struct.pack("<Q", EXIT))
        for register, argument in zip(registers, arguments):
            cpu.reg_write(register, argument)
        cpu.emu_start(self.symbols[function], EXIT, count=1_000_000)
        return cpu.reg_read(registers[0] if self.is_arm else x86.UC_X86_REG_EAX) & 0xffffffff

    def poke(self, offset, data):
        self.cpu.mem_write(PAGE + offset, data)

    def peek(self, address, size):
        return bytes(self.cpu.mem_read(address, size))


class Wrong(Exception):
    pass


def expect(what, got, want):
    if got == want:
        return
    if isinstance(want, dict):
        more = {f"{o:#x}/{s}": n for (o, s), n in (got - want).items()}
        less = {f"{o:#x}/{s}": n for (o, s), n in (want - got).items()}
        raise Wrong(f"{what}: too many {more}, missing {less}")
    raise Wrong(f"{what}: {got!r} instead of {want!r}")


def words(offset, count):
    return {(offset + 8 * i, 8): 1 for i in range(count)}


def body(n):
    return struct.pack(f"<{BODY_WORDS}Q", *(0x0101010101010101 * (n + i) for i in range(BODY_WORDS)))


def publish(machine, n):
    machine.poke(SLOT + n % SLOTS * SLOT_BYTES, struct.pack("<II", 2 * n + 2, 0) + body(n))
    machine.poke(HEAD, struct.pack("<I", n + 1))


def check_attach(machine):
    machine.poke(HEADER, struct.pack("<IHHIIQI", 0x414d4743, 1, SLOTS, SLOT_BYTES, 0, 7, 100))
    machine.poke(STATE, struct.pack("<I", 1))
    for n in range(3):
        publish(machine, n)
    expect("attach", machine.call("cagma_reader_attach", READER, PAGE, 7, 10), 0)
    expect("loads of attach", machine.reads, Counter(
        words(HEADER, 8) | {(STATE, 4): 1, (HEAD, 4): 1}))


def check_drain(machine):
    for new in range(3, 3 + SLOTS):     # every slot, the wrap included
        publish(machine, new)
        expect("drain", machine.call("cagma_reader_drain", READER, SAMPLES, COUNT), 0)
        expect("samples", struct.unpack("<Q", machine.peek(COUNT, 8))[0], 1)
        expect("sample", machine.peek(SAMPLES, 8 * BODY_WORDS), body(new))
        slot = SLOT + new % SLOTS * SLOT_BYTES
        expect("loads of drain", machine.reads, Counter(
            words(slot + 8, BODY_WORDS) |
            {(slot, 4): 2, (HEAD, 4): 1, (STATE, 4): 1, (EPOCH, 8): 1}))
        expect("stores of drain", machine.writes, Counter())


def check_torn(machine):
    """An odd sequence: four looks at it and none at the body."""
    new = 3 + SLOTS
    publish(machine, new)
    slot = SLOT + new % SLOTS * SLOT_BYTES
    machine.poke(slot, struct.pack("<I", 2 * new + 1))
    expect("drain of a torn slot", machine.call("cagma_reader_drain", READER, SAMPLES, COUNT), 0)
    expect("loads of a torn slot", machine.reads, Counter(
        {(slot, 4): 4, (HEAD, 4): 1, (STATE, 4): 1, (EPOCH, 8): 1}))


def check_mail(machine):
    order = DATA + 0x1000
    machine.cpu.mem_write(order, struct.pack("<QQII", 1000, 200, 3, 0))
    machine.call("cagma_reader_mail", READER, order)
    expect("loads of mail", machine.reads, Counter())
    expect("stores of mail", machine.writes, Counter(words(MAIL, MAIL_WORDS) | {(SEQ, 4): 2}))
    expect("mail", machine.call("guest_mail_read", PAGE, DATA + 0x1100, DATA + 0x1200), 0)
    expect("loads of the guest", machine.reads, Counter(
        words(MAIL, MAIL_WORDS) | {(SEQ, 4): 2}))
    expect("target", struct.unpack("<Q", machine.peek(DATA + 0x1208, 8))[0], 1000)


def check_arm(machine):
    machine.call("cagma_reader_arm", READER)
    expect("loads of arm", machine.reads, Counter({(HEAD, 4): 1}))
    expect("stores of arm", machine.writes, Counter({(ARMED, 4): 1}))


STEPS = (check_attach, check_drain, check_torn, check_mail, check_arm)


def check(path):
    """What is wrong, by the step that saw it."""
    machine, wrong = Machine(path), {}
    for step in STEPS:
        try:
            step(machine)
        except (Wrong, unicorn.UcError) as error:
            wrong[step] = str(error)
    return wrong


def build(compiler, level, twin):
    path = OUT / f"{compiler}{level}{'-twin' if twin else ''}"
    sources = [ROOT / "dom0/reader.c", HERE / "bare.c"]
    sync = [f'-DCAGMA_SYNC_BACKEND="{HERE}/twice_sync.h"'] if twin else []
    command = [*COMPILERS[compiler], level, *FLAGS, *sync]
    objects = [OUT / f"{path.name}-{source.stem}.o" for source in sources]
    for source, target in zip(sources, objects):
        subprocess.run([*command, "-c", "-o", target, source], check=True)
    linker = ["aarch64-linux-gnu-ld" if "aarch64" in compiler else "ld",
              "-static", "-Ttext=0x100000", "-e", "cagma_reader_drain", "-o", path]
    subprocess.run([*linker, *objects], check=True)
    return path


def needs(compiler):
    tools = [COMPILERS[compiler][0]]
    if "aarch64" in compiler:
        tools += ["aarch64-linux-gnu-ld", "aarch64-linux-gnu-gcc"]
    return next((tool for tool in tools if not shutil.which(tool)), None)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    passed = failed = skipped = 0
    for compiler in COMPILERS:
        missing = needs(compiler)
        if missing:
            print(f"skip G10_{compiler}: no {missing}")
            skipped += 1
            continue
        for level in "-O2", "-O3":
            name = f"G10_each_word_is_loaded_once_{compiler}{level}"
            wrong = check(build(compiler, level, False))
            twin = check(build(compiler, level, True))
            if not wrong and check_drain in twin:
                print(f"ok {name}")
                passed += 1
            else:
                print(f"not ok {name}: " + ("; ".join(wrong.values()) or
                                            "the twin that loads twice passed as well"))
                failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
