"""The program that a live process runs: 117 instructions, assembled here by hand, and nothing else in its memory.

A live process must hold no Python, no C library and no stack of its own, so that every area, every fault and every
page in it belongs to the learner's program. It waits on a futex for a request, does one of four things (a system
call, a copy of bytes, a call, a fork), and says that it is done. Requests and answers lie in a *channel*, memory that
it shares with the notebook. A signal handler turns SIGSEGV and SIGBUS into an answer.

Each line of the listing is: machine code in hexadecimal, the instruction, what it is for. `<name>` stands for the
distance to a label, four bytes. r15 holds the address of the channel throughout.

x86-64: Intel SDM volume 2; calling conventions: System V ABI; signal frame: arch/x86/include/uapi/asm/sigcontext.h.
"""

from __future__ import annotations

import re

REQUEST, DONE, OPERATION, RESULT, ARGS, NUMBER = 0x00, 0x04, 0x08, 0x10, 0x18, 0x88
"""Offsets in a channel: two futex words, then 64-bit words; ARGS is six of them, NUMBER the system call's number."""
SIGNO, SI_CODE, SI_ADDR, RECOVERY, DRIVER, TIMEOUT = 0x48, 0x50, 0x58, 0x60, 0x68, 0x70
"""The signal that ended a copy or call; where its handler returns to; the notebook's pid; a timeout (16 bytes)."""
STACK_TOP = 0x6000
"""The stack lies in the channel, below its data: a signal frame with all vector registers needs up to 12 KiB."""
DATA = STACK_TOP
SYSCALL, COPY, CALL, FORK = range(4)
"""The operations."""

LISTING = """
start:                                            # int start(channel): called by the notebook, as a C function
    53                      push rbx              # registers that belong to the caller
    41 57                   push r15
    49 89 ff                mov r15, rdi          # the channel of the new process
    31 ff                   xor edi, edi          # no flags, no signal to the parent at the end
    31 f6                   xor esi, esi
    31 d2                   xor edx, edx
    45 31 d2                xor r10d, r10d
    45 31 c0                xor r8d, r8d
    b8 38 00 00 00          mov eax, 56           # clone: like fork, but the C library does not know of it
    0f 05                   syscall
    48 85 c0                test rax, rax
    0f 84 <first>           jz first
    41 5f                   pop r15               # the notebook goes on, with the pid or a negative errno
    5b                      pop rbx
    c3                      ret

first:                                            # setpgid(0, 0): a process group of this kernel's own, before all else
    31 ff                   xor edi, edi
    31 f6                   xor esi, esi
    b8 6d 00 00 00          mov eax, 109
    0f 05                   syscall
    48 85 c0                test rax, rax
    0f 85 <die>             jnz die               # in a group with others, `kill` below would be a crime
child:
    49 8d a7 00 60 00 00    lea rsp, [r15+0x6000] # a stack of our own
loop:
    41 8b 07                mov eax, [r15]        # request: the number of the last request
    41 3b 47 04             cmp eax, [r15+4]      # done: the number of the last one that was answered
    0f 85 <work>            jne work
    89 c2                   mov edx, eax          # futex(&request, FUTEX_WAIT, request, &timeout): sleep
    4c 89 ff                mov rdi, r15
    31 f6                   xor esi, esi
    4d 8d 57 70             lea r10, [r15+0x70]
    45 31 c0                xor r8d, r8d
    45 31 c9                xor r9d, r9d
    b8 ca 00 00 00          mov eax, 202
    0f 05                   syscall
    48 83 f8 92             cmp rax, -110         # ETIMEDOUT: a second went by without work
    0f 85 <loop>            jne loop
    49 8b 7f 68             mov rdi, [r15+0x68]   # kill(driver, 0): does the notebook still live?
    31 f6                   xor esi, esi
    b8 3e 00 00 00          mov eax, 62
    0f 05                   syscall
    48 83 f8 fd             cmp rax, -3           # ESRCH: no such process
    0f 85 <loop>            jne loop
    31 ff                   xor edi, edi          # kill(0, SIGKILL): all processes of the group, a busy one too
    be 09 00 00 00          mov esi, 9
    b8 3e 00 00 00          mov eax, 62
    0f 05                   syscall
die:
    31 ff                   xor edi, edi
    b8 e7 00 00 00          mov eax, 231          # exit_group(0)
    0f 05                   syscall

work:
    41 8b 47 08             mov eax, [r15+8]      # which operation?
    83 f8 01                cmp eax, 1
    0f 84 <copy>            je copy
    83 f8 02                cmp eax, 2
    0f 84 <call>            je call
    83 f8 03                cmp eax, 3
    0f 84 <fork>            je fork
    49 8b 7f 18             mov rdi, [r15+0x18]   # a system call, with the six arguments of the request
    49 8b 77 20             mov rsi, [r15+0x20]
    49 8b 57 28             mov rdx, [r15+0x28]
    4d 8b 57 30             mov r10, [r15+0x30]
    4d 8b 47 38             mov r8, [r15+0x38]
    4d 8b 4f 40             mov r9, [r15+0x40]
    49 8b 87 88 00 00 00    mov rax, [r15+0x88]
    0f 05                   syscall
    49 89 47 10             mov [r15+0x10], rax
    e9 <finish>             jmp finish

copy:                                             # copy(to, from, n): byte by byte, lowest address first
    49 8b 7f 18             mov rdi, [r15+0x18]
    49 8b 77 20             mov rsi, [r15+0x20]
    49 8b 4f 28             mov rcx, [r15+0x28]
    31 db                   xor ebx, ebx          # how many bytes are done; survives a signal
    48 8d 05 <recover>      lea rax, [recover]    # where to go on after a signal
    49 89 47 60             mov [r15+0x60], rax
next:
    48 39 cb                cmp rbx, rcx
    0f 84 <recover>         je recover
    8a 04 1e                mov al, [rsi+rbx]     # the load of the program
    88 04 1f                mov [rdi+rbx], al     # the store of the program
    48 ff c3                inc rbx
    e9 <next>               jmp next

call:                                             # call(address): the program's own instruction is a return
    48 8d 05 <recover>      lea rax, [recover]
    49 89 47 60             mov [r15+0x60], rax
    31 db                   xor ebx, ebx
    49 8b 47 18             mov rax, [r15+0x18]
    ff d0                   call rax
    ff c3                   inc ebx
recover:
    49 8d a7 00 60 00 00    lea rsp, [r15+0x6000] # a fetch that failed had pushed its return address
    49 89 5f 10             mov [r15+0x10], rbx
    31 c0                   xor eax, eax
    49 89 47 60             mov [r15+0x60], rax   # from here on, a signal is a mistake of this listing
    e9 <finish>             jmp finish

fork:                                             # fork(channel of the child)
    49 8b 5f 18             mov rbx, [r15+0x18]   # read now: after the call the request may have been overwritten
    b8 39 00 00 00          mov eax, 57
    0f 05                   syscall
    48 85 c0                test rax, rax
    0f 85 <parent>          jnz parent
    49 89 df                mov r15, rbx
    e9 <child>              jmp child
parent:
    49 89 47 10             mov [r15+0x10], rax

finish:
    41 8b 07                mov eax, [r15]        # done = request
    41 89 47 04             mov [r15+4], eax
    49 8d 7f 04             lea rdi, [r15+4]      # futex(&done, FUTEX_WAKE, 1): wake the notebook
    be 01 00 00 00          mov esi, 1
    ba 01 00 00 00          mov edx, 1
    b8 ca 00 00 00          mov eax, 202
    0f 05                   syscall
    e9 <loop>               jmp loop

handler:                                          # handler(edi: signal, rsi: siginfo, rdx: ucontext)
    89 f8                   mov eax, edi
    49 89 47 48             mov [r15+0x48], rax   # signo
    48 63 46 08             movsxd rax, [rsi+8]
    49 89 47 50             mov [r15+0x50], rax   # si_code
    48 8b 46 10             mov rax, [rsi+16]
    49 89 47 58             mov [r15+0x58], rax   # si_addr
    49 8b 47 60             mov rax, [r15+0x60]
    48 85 c0                test rax, rax
    0f 84 <die>             jz die                # no copy and no call under way
    48 89 82 a8 00 00 00    mov [rdx+168], rax    # the saved instruction pointer: go on at `recover`
    c3                      ret                   # to the restorer
restorer:
    b8 0f 00 00 00          mov eax, 15           # rt_sigreturn
    0f 05                   syscall
"""


def assemble(listing: str = LISTING) -> tuple[bytes, dict[str, int]]:
    """Return the machine code and the offset of every label; raises KeyError for a jump to an unknown label."""
    code = bytearray()
    labels: dict[str, int] = {}
    jumps: list[tuple[int, str]] = []
    for line in listing.splitlines():
        text = line.split("#")[0].strip()
        if text.endswith(":"):
            labels[text[:-1]] = len(code)
            continue
        for token in re.findall(r"(?:^|(?<= ))(?:[0-9a-f]{2}|<\w+>)(?= |$)", re.split(r"\s{2,}", text)[0]):
            if token.startswith("<"):
                jumps.append((len(code), token[1:-1]))
                code += bytes(4)
            else:
                code.append(int(token, 16))
    for at, label in jumps:
        code[at : at + 4] = (labels[label] - at - 4).to_bytes(4, "little", signed=True)
    return bytes(code), labels
