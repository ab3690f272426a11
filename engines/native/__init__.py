"""The compiled step of Llama-shaped models in bf16 (`step.cpp`), built by set-up where there is a C++ compiler.

What it needs besides: x86-64 Linux and a processor with AVX-512 and its bf16 instructions (Intel since Cooper Lake and Sapphire Rapids, AMD since Zen 4); AMX is used where it is there.
"""
