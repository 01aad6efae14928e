;; Has a memory of 64-bit addresses.
(memory $vast i64 1)
