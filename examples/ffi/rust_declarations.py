"""Makes natskit.rs, the declarations for Rust, of natskit.abi.json:

    python3 rust_declarations.py natskit.abi.json natskit.rs

A handle is a type of its own with one number; messages are opaque; every function is declared with its text."""

import json
import re
import sys
from typing import Any

NUMBERS = {
    "int32_t": "i32",
    "uint32_t": "u32",
    "int64_t": "i64",
    "uint64_t": "u64",
    "uint8_t": "u8",
    "size_t": "usize",
    "double": "f64",
    "char": "c_char",
    "void": "c_void",
}


def rust_type(declared: dict[str, Any]) -> str:
    parts = re.findall(r"const|\w+|\*", declared["type"])
    constant = parts[0] == "const"
    base = parts[1] if constant else parts[0]
    kind = NUMBERS.get(base, base)
    for part in parts[2 if constant else 1 :]:
        if part == "*":
            kind = f"*{'const' if constant else 'mut'} {kind}"
            constant = False
        else:
            constant = True
    return f"[{kind}; {declared['length']}]" if "length" in declared else kind


def name_of(declared: dict[str, Any]) -> str:
    return f"r#{declared['name']}" if declared["name"] in ("type", "match", "ref", "move", "in", "loop") else declared["name"]


def declarations(abi: dict[str, Any]) -> list[str]:
    lines = [
        f"//! natskit {abi['version']}: made of natskit.abi.json by rust_declarations.py.",
        "#![allow(non_camel_case_types, dead_code)]",
        "use std::os::raw::{c_char, c_void};",
        "",
        f"pub type natskit_status = {NUMBERS[abi['status']]};",
    ]
    lines += [f"pub const {name}: i32 = {value};" for name, value in abi["constants"].items()]
    lines += [f"pub const {name}: &str = {json.dumps(value)};" for name, value in abi["texts"].items()]
    for name in abi["handles"]:
        number = NUMBERS[abi["handle"]]
        lines += ["#[repr(C)]", "#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]", f"pub struct {name} {{ pub id: {number} }}"]
    for name in abi["opaque"]:
        lines += ["#[repr(C)]", f"pub struct {name} {{ _private: [u8; 0] }}"]
    for struct in abi["structs"]:
        fields = ", ".join(f"pub {name_of(field)}: {rust_type(field)}" for field in struct["fields"])
        lines += ["#[repr(C)]", "#[derive(Clone, Copy)]", f"pub struct {struct['name']} {{ {fields} }}"]
    lines += ['#[link(name = "natskit")]', 'extern "C" {']
    for function in abi["functions"]:
        parameters = ", ".join(f"{name_of(parameter)}: {rust_type(parameter)}" for parameter in function["parameters"])
        lines += [f"    /// {function['text']}", f"    pub fn {function['name']}({parameters}) -> natskit_status;"]
    return lines + ["}", ""]


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        abi = json.load(file)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write("\n".join(declarations(abi)))


if __name__ == "__main__":
    main()
