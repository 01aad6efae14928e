;; Has a memory of 64-bit addresses.
(memory (export "memory") 2)
(memory $vast i64 1)
