"""The faulty function of chapter 11: a queue in shared memory that loses a message when it is full.

It works on plain data; `mmaplab.grading.situations.queue_of` makes the same with two processes on a simulated kernel.
"""

from __future__ import annotations

from mmaplab.grading.plain import Plain

SLOTS = 4
"""Messages that the queue holds."""


def careless_queue(steps: list[list[Plain]]) -> Plain:
    """Say what each step of a queue answers: ["put", n] "ok" or "full", ["get"] a number or "empty". One line is wrong.

    `head` counts the messages taken out, `tail` those put in; message number k lies in slot k % SLOTS.
    """
    ring: list[Plain] = [0] * SLOTS
    head = tail = 0
    answers: list[Plain] = []
    for step in steps:
        if step[0] == "put" and tail - head > SLOTS:
            answers.append("full")
        elif step[0] == "put":
            ring[tail % SLOTS] = step[1]
            tail += 1
            answers.append("ok")
        elif head == tail:
            answers.append("empty")
        else:
            answers.append(ring[head % SLOTS])
            head += 1
    return answers
