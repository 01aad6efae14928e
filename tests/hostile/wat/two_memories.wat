;; Has a second memory, so that each could be as large as the limit.
(memory $second 1)
