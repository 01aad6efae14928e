;; Has a second memory, so that each could be as large as the limit.
(memory (export "memory") 2)
(memory $second 1)
