"""Programs with other schedules: what `bench.py --sweep` compiles."""
import re


def with_parameters(text, kernel, parameters):
    """The program with other bindings in all schedules of the kernel: let NAME = VALUE; and directives
    that replace those of the same verb, "unit": "unit warp pack(8)"."""
    heads = list(re.finditer(rf"^schedule {kernel} for [^{{]*{{", text, re.M))
    if not heads:
        return text + f"\nschedule {kernel} for sm90, sm100 {{ " + \
            " ".join(bound(k, v) for k, v in parameters.items()) + " }\n"
    for head in reversed(heads):
        end = closing(text, head.end())
        text = text[:head.end()] + with_bindings(text[head.end():end], parameters) + text[end:]
    return text


def with_bindings(body, parameters):
    for key, value in parameters.items():
        pattern = rf"let {key} = [^;]*;" if key[0].isupper() else rf"\b{key}\b[^;]*;"
        body, found = re.subn(pattern, lambda _: bound(key, value), body, count=1)
        if not found:
            body = " " + bound(key, value) + body
    return body


def bound(key, value):
    return f"let {key} = {value};" if key[0].isupper() else f"{value};"


def closing(text, at):
    depth = 1
    while depth:
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return at - 1
