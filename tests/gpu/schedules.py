"""Programs with other schedules: what `bench.py --sweep` compiles."""
import re


def with_parameters(text, kernel, parameters):
    """The program with other bindings in the kernel's schedule: let NAME = VALUE; and directives
    that replace those of the same verb, "unit": "unit warp pack(8)"."""
    head = re.search(rf"^schedule {kernel} for [^{{]*{{", text, re.M)
    if not head:
        return text + f"\nschedule {kernel} for sm90, sm100 {{ " + \
            " ".join(bound(k, v) for k, v in parameters.items()) + " }\n"
    end = closing(text, head.end())
    body = text[head.end():end]
    for key, value in parameters.items():
        pattern = rf"let {key} = [^;]*;" if key[0].isupper() else rf"\b{key}\b[^;]*;"
        body, found = re.subn(pattern, lambda _: bound(key, value), body, count=1)
        if not found:
            body = " " + bound(key, value) + body
    return text[:head.end()] + body + text[end:]


def bound(key, value):
    return f"let {key} = {value};" if key[0].isupper() else f"{value};"


def closing(text, at):
    depth = 1
    while depth:
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return at - 1
